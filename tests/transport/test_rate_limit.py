"""Token buckets: the arithmetic, and what both kinds of buckets promise."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial

import pytest
import redis

from shared.identity import PrincipalKey
from tests.kills import kills
from tests.transport.brokers import ME, MakeBroker, Quiet, opened
from tests.transport.serving import until
from transport.rate_limit import Charge, Rate, RateLimitedError, Rates, Wait
from transport.sessions import memory_rate_limit
from transport.sessions.broker import Admission, Call
from transport.sessions.memory_rate_limit import MemoryBuckets
from transport.sessions.valkey.broker import ValkeyBroker

SLOW = Rate(1, 3)
"""A bucket of three that nothing flows into while a test runs."""
RATES = Rates(read=SLOW, write=Rate(1, 1), tenant_read=Rate(1, 5), tenant_write=Rate(1, 2))
YOU = ("default", "you")


def charge(bucket: str, rate: Rate = SLOW) -> Charge:
    return Charge(bucket, rate, "read", False)


# --------------------------------------------------------------------- arithmetic


def test_a_full_bucket_pays_its_burst_at_once_and_then_one_token_an_interval() -> None:
    rate, now, full_at = Rate(60, 5), 100.0, 0.0
    for _ in range(5):
        full_at, wait = rate.take(full_at, now)
        assert wait == 0
    assert rate.take(full_at, now)[1] == pytest.approx(1)
    assert rate.take(full_at, now + 0.4)[1] == pytest.approx(0.6)
    full_at, wait = rate.take(full_at, now + 1)
    assert wait == 0
    assert rate.take(full_at, now + 1)[1] == pytest.approx(1)


def test_a_bucket_is_never_fuller_than_full() -> None:
    rate = Rate(60, 2)
    full_at, _ = rate.take(0, 1_000_000)
    full_at, _ = rate.take(full_at, 1_000_000)
    assert rate.take(full_at, 1_000_000)[1] == pytest.approx(1)


@pytest.mark.parametrize(("per_minute", "burst"), [(0, 1), (-1, 1), (float("nan"), 1), (1, 0)])
def test_a_rate_that_nothing_could_pass_is_refused(per_minute: float, burst: int) -> None:
    with pytest.raises(ValueError, match="more than 0 a minute"):
        Rate(per_minute, burst)


def test_no_two_owners_share_a_bucket() -> None:
    owners = [("a", "b:c"), ("a:b", "c"), ("a", "b"), ("b", "a"), ("t", ""), ("", "t:t")]
    kinds: list[Callable[[PrincipalKey], tuple[Charge, Charge]]] = [
        partial(RATES.charges, writes=False),
        partial(RATES.charges, writes=True),
        RATES.comings,
    ]
    buckets = [one.bucket for owner in owners for charges in kinds for one in charges(owner)]
    of_tenants = len(kinds) * len({tenant for tenant, _ in owners})
    assert len(set(buckets)) == len(kinds) * len(owners) + of_tenants


def test_three_times_as_many_http_requests_are_let_in_as_calls() -> None:
    """A minute's worth of calls never meets this limit, however a client sends them."""
    rates = Rates(read=Rate(20, 30), write=Rate(1, 2), tenant_read=Rate(100, 1000), tenant_write=Rate(10, 20))
    assert [one.rate for one in rates.comings(ME)] == [Rate(63, 96), Rate(330, 3060)]


def test_a_refusal_says_whose_limit_it_was_and_when_to_come_back() -> None:
    mine, ours = RATES.charges(ME, writes=True)
    assert str(RateLimitedError(Wait(mine, 11.2))) == (
        "Too many writes: your limit is 1 a minute. Nothing was changed; try again in 12 s."
    )
    assert "your organisation's limit" in str(RateLimitedError(Wait(ours, 0.001)))
    assert RateLimitedError(Wait(ours, 0.001)).retry_after_s == 1


# --------------------------------------------------------------------- both kinds of buckets


async def test_all_charges_are_paid_or_none(make_broker: MakeBroker) -> None:
    buckets = (await make_broker()).buckets
    mine, ours = charge("mine"), charge("ours", Rate(1, 1))
    assert await buckets.spend([mine, ours]) is None
    for _ in range(3):
        refused = await buckets.spend([mine, ours])
        assert refused is not None
        assert refused.charge is ours
        assert 50 < refused.seconds <= 60
    assert await buckets.spend([mine]) is None, "what was refused cost nothing"
    assert await buckets.spend([mine]) is None
    refused = await buckets.spend([mine])
    assert refused is not None
    assert refused.charge is mine


async def test_tokens_flow_in_again(make_broker: MakeBroker) -> None:
    buckets, fast = (await make_broker()).buckets, charge("fast", Rate(60_000, 1))
    async with asyncio.timeout(10):
        for _ in range(20):
            while await buckets.spend([fast]) is not None:
                pass


async def test_nothing_to_pay_is_paid(make_broker: MakeBroker) -> None:
    assert await (await make_broker()).buckets.spend([]) is None


@kills(
    "transport/sessions/valkey/lua/admit.lua",
    "if admissions[index] == NEW then waits[index]",
    "if true then waits[index]",
)
async def test_a_new_request_is_paid_for_and_a_repeat_is_not(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)

    async def admit(*calls: Call) -> tuple[list[Admission], Sequence[object]]:
        admitted = await broker.admit(session.id, session.owner, session.wire, calls)
        return admitted.admissions, list(admitted.waits)

    paid = RATES.charges(ME, writes=False)
    first = Call(1, b"first", charges=paid)
    assert await admit(first) == ([Admission.NEW], [])
    for _ in range(5):
        assert await admit(first) == ([Admission.RUNNING], [])
    await broker.finish(session.id, 0, 1, b"answer")
    assert await admit(first) == ([Admission.ANSWERED], [])
    assert await admit(Call(1, b"other", charges=paid)) == ([Admission.REFUSED], [])
    batch = [Call(number, b"batch", charges=paid) for number in ("a", "b", "c")]
    assert await admit(*batch) == ([Admission.NEW] * 3, ["c"]), "three are the burst of one principal"
    assert await broker.finish(session.id, 0, "c", b"not now"), "what cannot be paid for is recorded, for its answer"
    assert await admit(Call("w", b"write", writes=True, charges=RATES.charges(ME, writes=True))) == (
        [Admission.NEW],
        [],
    )


async def test_principals_share_the_limit_of_their_organisation_alone(make_broker: MakeBroker) -> None:
    buckets = (await make_broker()).buckets
    for _ in range(3):
        assert await buckets.spend(RATES.charges(ME, writes=False)) is None
    mine = await buckets.spend(RATES.charges(ME, writes=False))
    assert mine is not None
    assert not mine.charge.is_tenants
    for _ in range(2):
        assert await buckets.spend(RATES.charges(YOU, writes=False)) is None
    ours = await buckets.spend(RATES.charges(YOU, writes=False))
    assert ours is not None
    assert ours.charge.is_tenants
    assert await buckets.spend(RATES.charges(("acme", "me"), writes=False)) is None


# --------------------------------------------------------------------- of one instance, of many


async def test_buckets_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_rate_limit, "KEPT_BUCKETS", 3)
    buckets = MemoryBuckets(lambda: 0.0)
    for bucket in "abca":
        await buckets.spend([charge(bucket)])
    await buckets.spend([charge("d")])
    assert [bucket for bucket in "abcd" if buckets._full_at.get(bucket)] == ["a", "c", "d"]


async def test_instances_share_buckets_and_go_on_alone_without_valkey(broker_url: str) -> None:
    prefix = f"{{{secrets.token_hex(4)}}}:"
    one, other = (ValkeyBroker(broker_url, prefix=prefix) for _ in range(2))
    async with one.run(Quiet()), other.run(Quiet()):
        await until(lambda: one.is_up and other.is_up)
        spent = [await broker.buckets.spend([charge("x")]) for broker in (one, other, one, other)]
        assert [wait is None for wait in spent] == [True, True, True, False]
        key = f"{prefix}b:x"
        with redis.from_url(broker_url) as raw:
            assert 0 < raw.pttl(key) <= 180_000, "a bucket is forgotten when it is full"
    started = time.monotonic()
    assert [await one.buckets.spend([charge("x")]) is None for _ in range(4)] == [True, True, True, False]
    assert time.monotonic() - started < 1, "who cannot be asked is not waited for"
