"""The rule of claims: the pure table, and both brokers held to it by histories, generated ones and ones with a name."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import given, settings

from tests.kills import kills
from tests.transport.sessions.histories import (
    STEPS,
    Claim,
    ClaimAgain,
    Die,
    Finish,
    FinishAgain,
    Initialize,
    Lapse,
    Read,
    Step,
    Withdraw,
    play,
)
from transport.sessions.broker import SessionBroker
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits
from transport.sessions.valkey.broker import ValkeyBroker

pytestmark = pytest.mark.usefixtures("patience")
ONE: Final = Claim(((1, 0),))
ONE_ELSEWHERE: Final = Claim(((1, 0),), at=1)
CHANGED: Final = Claim(((1, 1),))
HISTORIES: Final[dict[str, list[Step]]] = {
    "an id is used again after its response": [ONE, Finish(0), ONE, Finish(1), Read(), CHANGED, Finish(2)],
    "a cancellation comes after the id was used again": [
        *(ONE, Finish(0, is_cancelled=True), ONE_ELSEWHERE, Finish(0, is_cancelled=True), Finish(1)),
    ],
    "three bodies under one id, the first the slowest": [
        *(ONE, CHANGED, Claim(((1, 2),), at=1), Finish(2), Finish(1), Finish(0)),
    ],
    "initialize forgets what runs": [ONE, Initialize(1), Finish(0), CHANGED, Finish(1), Finish(2), ONE, Finish(0)],
    "a batch joins as a whole or not at all": [
        *(Claim(((1, 0), (2, 0))), Claim(((2, 0), (1, 0)), at=1), Claim(((1, 0),)), Finish(0)),
        *(Claim(((1, 0), (2, 0))), Finish(1), Claim(((1, 0), (2, 0))), Finish(2), Finish(3)),
    ],
}
LATE: Final[dict[str, list[Step]]] = {
    "a finish is sent twice with the id used again in between": [
        *(ONE, Finish(0), ONE, FinishAgain(0), Finish(1), FinishAgain(0), FinishAgain(1)),
    ],
    "a claim is sent twice with the id used again in between": [
        *(ONE, ClaimAgain(0), Finish(0), ONE_ELSEWHERE, ClaimAgain(0), Finish(1), ClaimAgain(0), ClaimAgain(1)),
    ],
    "a claim is carried out after it was withdrawn": [ONE, Withdraw(0), ClaimAgain(0), ONE_ELSEWHERE, Finish(1)],
    "a claim is withdrawn that a repeat had joined": [ONE, ONE_ELSEWHERE, Withdraw(0), Read(), ONE, Finish(1)],
    "a withdrawal comes after the id was used again": [
        *(ONE, Finish(0), ONE_ELSEWHERE, Withdraw(0), Finish(1), ONE, Withdraw(0), Finish(2)),
    ],
}
DEAD: Final[dict[str, list[Step]]] = {
    "a response comes after the id was used again": [ONE, Die(0), ONE, Finish(0), Finish(1), Finish(0)],
    "a response comes after the id was used again elsewhere": [ONE, Die(0), ONE_ELSEWHERE, Finish(0), Finish(1)],
    "a lease lapses and comes back": [ONE, Lapse(0, 0), ONE_ELSEWHERE, Lapse(0, 0), Finish(1)],
    "a lease lapses and comes back while the call runs": [
        *(ONE, Claim(((2, 0),)), Lapse(0, 1), ONE_ELSEWHERE, Finish(0), ONE, Finish(2)),
    ],
    "an instance dies with a joined call": [ONE, ONE_ELSEWHERE, Die(0), ONE_ELSEWHERE, Finish(1), Finish(0)],
}
SENT_AGAIN: Final[dict[str, list[Step]]] = {
    "after another instance answered it": [ONE, Die(0), ClaimAgain(0), Finish(0), ONE, Finish(1)],
    "after initialize forgot it": [ONE, Initialize(1), ClaimAgain(0), ONE, Finish(0), Finish(2)],
}


@pytest.fixture(autouse=True)
def _leases_end_by_steps_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.sessions.valkey.lease.RENEW_S", 3600.0)
    monkeypatch.setattr("transport.sessions.valkey.instance.LEASE_S", 600.0)


def shared(url: str) -> Sequence[SessionBroker]:
    """Return two instances with sessions of their own."""
    prefix = f"{{{secrets.token_hex(4)}}}:"
    return [ValkeyBroker(url, limits=Limits(), prefix=prefix) for _ in range(2)]


BOTH_WIRES = pytest.mark.parametrize("own_stream", [False, True], ids=["one stream", "own streams"])


@kills("transport/sessions/claims.py", "self._slots.clear()", "pass")
@kills("transport/sessions/claims.py", "or ClaimStatus.NEW in statuses:", ":")
@BOTH_WIRES
@pytest.mark.parametrize("name", HISTORIES)
async def test_one_instance_keeps_the_rule(name: str, *, own_stream: bool) -> None:
    await play([InMemoryBroker()], HISTORIES[name], own_stream=own_stream)


@kills("transport/sessions/valkey/lua/claim.lua", "if opens then begin_epoch() end", "")
@BOTH_WIRES
@pytest.mark.parametrize("name", HISTORIES)
async def test_instances_that_share_a_store_keep_the_rule(broker_url: str, name: str, *, own_stream: bool) -> None:
    await play(shared(broker_url), HISTORIES[name], own_stream=own_stream)


@kills("transport/sessions/valkey/lua/withdraw.lua", "if claim and claim.token == token and", "if claim and")
@kills(
    "transport/sessions/valkey/lua/claim.lua", "request.was_sent = was_claimed(request.token) or", "request.was_sent ="
)
@BOTH_WIRES
@pytest.mark.parametrize("name", LATE)
async def test_a_step_that_comes_late_or_twice_changes_nothing(broker_url: str, name: str, *, own_stream: bool) -> None:
    await play(shared(broker_url), LATE[name], own_stream=own_stream)


@kills("transport/sessions/valkey/lua/finish.lua", "or claim.token ~= token", "")
@kills("transport/sessions/valkey/lua/finish.lua", "claim.instance ~= me and is_alive(claim.instance)", "false")
@BOTH_WIRES
@pytest.mark.parametrize("name", DEAD)
async def test_an_instance_that_seemed_dead_changes_nothing(broker_url: str, name: str, *, own_stream: bool) -> None:
    await play(shared(broker_url), DEAD[name], own_stream=own_stream)


@kills("transport/sessions/valkey/lua/common.lua", "if claim.instance ~= me then note_end_elsewhere(claim) end", "")
@kills("transport/sessions/valkey/lua/claim.lua", "    note_end_elsewhere(claim)", "")
@BOTH_WIRES
@pytest.mark.parametrize("name", SENT_AGAIN)
async def test_a_claim_sent_again_is_not_recorded_twice(broker_url: str, name: str, *, own_stream: bool) -> None:
    await play(shared(broker_url), SENT_AGAIN[name], own_stream=own_stream)


@BOTH_WIRES
@settings(max_examples=100)
@given(steps=STEPS)
def test_any_history_leaves_one_instance_and_the_rule_in_agreement(steps: list[Step], *, own_stream: bool) -> None:
    asyncio.run(play([InMemoryBroker()], steps, own_stream=own_stream))


@BOTH_WIRES
def test_any_history_leaves_the_scripts_and_the_rule_in_agreement(broker_url: str, *, own_stream: bool) -> None:
    @settings(max_examples=100)
    @given(steps=STEPS)
    def agree(steps: list[Step]) -> None:
        asyncio.run(play(shared(broker_url), steps, own_stream=own_stream))

    agree()
