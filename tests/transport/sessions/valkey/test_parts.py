"""The parts of the Valkey broker that need no server: what has to be recorded later, and whose lease is judged."""

import asyncio
import secrets
from typing import Any

import pytest

from shared.rate import Rate
from shared.writes.recent_writes import Write
from tests.kills import kills
from tests.transport.brokers import Quiet, opened
from tests.transport.serving import until
from transport.rate_limit import Cost
from transport.sessions.broker import BrokerUnavailableError
from transport.sessions.valkey import lease as valkey_lease
from transport.sessions.valkey import outbox, scripts
from transport.sessions.valkey.broker import ValkeyBroker
from transport.sessions.valkey.client import Script
from transport.sessions.valkey.lease import Lease
from transport.sessions.valkey.outbox import Outbox, Step
from transport.sessions.valkey.scripts import ScriptFailedError


class Steps:
    """Steps that note that they were taken."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def step(self, name: str, *outcomes: bool | Exception) -> Step:
        """Return a step that ends with each of `outcomes` in turn, and is done after them."""
        coming = iter(outcomes)

        async def take() -> bool:
            self.taken.append(name)
            await asyncio.sleep(0)
            outcome = next(coming, True)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return take


async def test_deferred_steps_are_taken_once_in_their_order() -> None:
    outbox, steps = Outbox(100), Steps()
    for name in "abc":
        outbox.add(steps.step(name), 10)
    await outbox.flush()
    await outbox.flush()
    assert steps.taken == ["a", "b", "c"]


async def test_a_step_for_which_the_server_is_away_stays_first_and_one_that_is_not_done_comes_again_last() -> None:
    outbox, steps = Outbox(100), Steps()
    outbox.add(steps.step("not done", False))
    outbox.add(steps.step("away", BrokerUnavailableError()))
    outbox.add(steps.step("next"))
    with pytest.raises(BrokerUnavailableError):
        await outbox.flush()
    await outbox.flush()
    assert steps.taken == ["not done", "away", "away", "next", "not done"]


async def test_a_step_that_can_never_be_done_is_given_up() -> None:
    outbox, steps = Outbox(100), Steps()
    outbox.add(steps.step("broken", ScriptFailedError(), ScriptFailedError()))
    outbox.add(steps.step("next"))
    await outbox.flush()
    await outbox.flush()
    assert steps.taken == ["broken", "next"]


async def test_a_step_that_is_cancelled_half_way_is_taken_again() -> None:
    outbox, entered = Outbox(100), asyncio.Event()

    async def endless() -> bool:
        entered.set()
        await asyncio.Event().wait()
        return True

    outbox.add(endless, 60)
    working = asyncio.create_task(outbox.flush())
    await entered.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert outbox.is_full(41)
    assert not outbox.is_full(40)


async def test_deferred_steps_may_be_worked_off_by_two_at_once() -> None:
    outbox, steps = Outbox(100), Steps()
    for number in range(7):
        outbox.add(steps.step(str(number)))
    await asyncio.gather(outbox.flush(), outbox.flush())
    assert sorted(steps.taken) == sorted("0123456")


async def test_deferred_steps_are_bounded_in_bytes_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_STEPS", 3)
    bounded, steps = Outbox(100), Steps()
    bounded.add(steps.step("oldest"), 90)
    assert bounded.is_full(11)
    bounded.add(steps.step("second"))
    bounded.add(steps.step("third"))
    assert bounded.is_full(0)
    bounded.add(steps.step("newest"))
    await bounded.flush()
    assert steps.taken == ["second", "third", "newest"]
    assert not bounded.is_full(100)


@kills("transport/sessions/valkey/lease.py", "if clock() - started > STANDSTILL_S:", "if False:")
async def test_a_server_that_stood_still_makes_no_one_seem_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("RENEW_S", 0.01), ("STANDSTILL_S", 0.1), ("LEASE_S", 60.0)):
        monkeypatch.setattr(valkey_lease, name, seconds)
    renewals, buried = list[int](), list[str]()

    async def call(script: Script, name: str) -> Any:
        renewals.append(1)
        if len(renewals) == 3:
            await asyncio.sleep(0.3)  # meanwhile all leases ran out
        return [b"store", [b"another"] if len(renewals) >= 3 else []]

    async def take_over_dead(instance: str) -> None:
        buried.append(instance)

    keeping = asyncio.create_task(Lease(call, take_over_dead=take_over_dead, emptied=lambda: None).keep())
    await until(lambda: len(renewals) >= 6)
    keeping.cancel()
    assert buried == []


@kills("transport/sessions/valkey/lease.py", "if asyncio.get_running_loop().time() >= self._judge_from:", "if True:")
async def test_no_one_is_judged_right_after_the_broker_came_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may all have been cut off; they have one lease to come back."""
    monkeypatch.setattr(valkey_lease, "RENEW_S", 0.01)
    monkeypatch.setattr(valkey_lease, "LEASE_S", 60.0)
    renewals, buried = list[int](), list[str]()

    async def call(script: Script, name: str) -> Any:
        renewals.append(1)
        return [b"store", [b"another"]]

    async def take_over_dead(instance: str) -> None:
        buried.append(instance)

    lease = Lease(call, take_over_dead=take_over_dead, emptied=lambda: None)
    await lease.came_up()
    keeping = asyncio.create_task(lease.keep())
    await until(lambda: len(renewals) >= 6)
    keeping.cancel()
    assert buried == []


@kills(
    "transport/sessions/valkey/scripts.py",
    'return f"{prefix}{LAYOUT}:"',
    'return f"{prefix}2:"',
)
async def test_instances_of_another_layout_have_sessions_of_their_own_and_share_writes_and_rates(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = f"{{{secrets.token_hex(4)}}}:"
    ours = ValkeyBroker(broker_url, prefix=prefix)
    monkeypatch.setattr(scripts, "LAYOUT", scripts.LAYOUT + 1)
    theirs = ValkeyBroker(broker_url, prefix=prefix)
    write = Write(("t", "mika"), words="w", window_s=60, upstream="up")
    cost = Cost("bucket", Rate(1, 1), "read", is_tenants=False)
    async with ours.run(Quiet()), theirs.run(Quiet()):
        await until(lambda: ours.is_up and theirs.is_up)
        session = await opened(ours)
        assert await ours.find(session.id) is not None
        assert await theirs.find(session.id) is None
        await ours.end(session.id)
        assert await ours.recent_writes.claim(write, "a") is None
        assert await theirs.recent_writes.claim(write, "b") is not None
        assert await ours.buckets.consume([cost]) is None
        assert await theirs.buckets.consume([cost]) is not None
