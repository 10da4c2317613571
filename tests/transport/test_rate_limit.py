"""Token buckets: the arithmetic, and what both kinds of buckets promise."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial

import pytest
import redis

from shared.identity import PrincipalKey
from shared.rate import Rate
from tests.kills import kills
from tests.transport.brokers import ME, MakeBroker, Quiet, claimed, opened
from tests.transport.serving import until
from transport import rate_limit
from transport.rate_limit import Cost, MemoryBuckets, RateLimitedError, Rates, Wait
from transport.sessions.claims import Attempt, ClaimStatus, RequestClaim
from transport.sessions.valkey import rate_limit as shared
from transport.sessions.valkey.broker import ValkeyBroker

SLOW = Rate(1, 3)
"""A bucket of three tokens that is not refilled during a test."""
RATES = Rates(read=SLOW, write=Rate(1, 1), tenant_read=Rate(1, 5), tenant_write=Rate(1, 2))
YOU = ("default", "you")


def cost(bucket: str, rate: Rate = SLOW) -> Cost:
    return Cost(bucket, rate, "read", False)


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
    kinds: list[Callable[[PrincipalKey], tuple[Cost, Cost]]] = [
        partial(RATES.costs, writes=False),
        partial(RATES.costs, writes=True),
        RATES.http_costs,
    ]
    buckets = [one.bucket for owner in owners for costs in kinds for one in costs(owner)]
    of_tenants = len(kinds) * len({tenant for tenant, _ in owners})
    assert len(set(buckets)) == len(kinds) * len(owners) + of_tenants


def test_three_times_as_many_http_requests_are_let_in_as_calls() -> None:
    """A minute's worth of calls never reaches this limit, however a client sends them."""
    rates = Rates(read=Rate(20, 30), write=Rate(1, 2), tenant_read=Rate(100, 1000), tenant_write=Rate(10, 20))
    assert [one.rate for one in rates.http_costs(ME)] == [Rate(63, 96), Rate(330, 3060)]


def test_a_refusal_says_whose_limit_it_was_and_when_to_retry() -> None:
    mine, ours = RATES.costs(ME, writes=True)
    assert str(RateLimitedError(Wait(mine, 11.2))) == (
        "Too many writes: your limit is 1 a minute. Nothing was changed; try again in 12 s."
    )
    assert "your organisation's limit" in str(RateLimitedError(Wait(ours, 0.001)))
    assert RateLimitedError(Wait(ours, 0.001)).retry_after_s == 1


# --------------------------------------------------------------------- both kinds of buckets


async def test_all_costs_are_paid_or_none(make_broker: MakeBroker) -> None:
    buckets = (await make_broker()).buckets
    mine, ours = cost("mine"), cost("ours", Rate(1, 1))
    assert await buckets.consume([mine, ours]) is None
    for _ in range(3):
        refused = await buckets.consume([mine, ours])
        assert refused is not None
        assert refused.cost is ours
        assert 50 < refused.seconds <= 60
    assert await buckets.consume([mine]) is None, "what was refused cost nothing"
    assert await buckets.consume([mine]) is None
    refused = await buckets.consume([mine])
    assert refused is not None
    assert refused.cost is mine


async def test_tokens_flow_in_again(make_broker: MakeBroker) -> None:
    buckets, fast = (await make_broker()).buckets, cost("fast", Rate(60_000, 1))
    async with asyncio.timeout(10):
        for _ in range(20):
            while await buckets.consume([fast]) is not None:
                pass


async def test_a_rate_without_a_real_limit_pays_everything(make_broker: MakeBroker) -> None:
    buckets, endless = (await make_broker()).buckets, cost("endless", Rate(10**12, 10**12))
    assert [await buckets.consume([endless]) for _ in range(3)] == [None, None, None]


async def test_a_claim_is_paid_however_short_the_interval_is(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    result = await claimed(broker, await opened(broker), [RequestClaim(1, b"d", costs=(cost("e", Rate(10**12, 9)),))])
    assert result.statuses == [ClaimStatus.NEW]
    assert not result.waits


async def test_nothing_to_pay_is_paid(make_broker: MakeBroker) -> None:
    assert await (await make_broker()).buckets.consume([]) is None


@kills(
    "transport/sessions/valkey/lua/claim.lua",
    "if statuses[index] == NEW then waits[index]",
    "if true then waits[index]",
)
async def test_a_new_request_is_paid_for_and_a_repeat_is_not(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)

    async def claim(*claims: RequestClaim) -> tuple[list[ClaimStatus], Sequence[object], list[Attempt | None]]:
        result = await claimed(broker, session, claims)
        return result.statuses, list(result.waits), result.attempts

    paid = RATES.costs(ME, writes=False)
    first = RequestClaim(1, b"first", costs=paid)
    statuses, waits, _ = await claim(first)
    assert (statuses, waits) == ([ClaimStatus.NEW], [])
    for _ in range(5):
        assert await claim(first) == ([ClaimStatus.JOINED], [], [None])
    assert await claim(RequestClaim(1, b"other", costs=paid)) == ([ClaimStatus.REFUSED], [], [None])
    statuses, waits, attempts = await claim(*(RequestClaim(one, b"batch", costs=paid) for one in ("a", "b", "c")))
    assert (statuses, waits) == ([ClaimStatus.NEW] * 3, ["c"]), "three are the burst of one principal"
    assert attempts[2] is not None
    assert await broker.finish(attempts[2], b"not now"), "what cannot be paid for is recorded, for its response"
    statuses, waits, _ = await claim(RequestClaim("w", b"write", writes=True, costs=RATES.costs(ME, writes=True)))
    assert (statuses, waits) == ([ClaimStatus.NEW], [])


async def test_principals_share_the_limit_of_their_organisation_alone(make_broker: MakeBroker) -> None:
    buckets = (await make_broker()).buckets
    for _ in range(3):
        assert await buckets.consume(RATES.costs(ME, writes=False)) is None
    mine = await buckets.consume(RATES.costs(ME, writes=False))
    assert mine is not None
    assert not mine.cost.is_tenants
    for _ in range(2):
        assert await buckets.consume(RATES.costs(YOU, writes=False)) is None
    ours = await buckets.consume(RATES.costs(YOU, writes=False))
    assert ours is not None
    assert ours.cost.is_tenants
    assert await buckets.consume(RATES.costs(("acme", "me"), writes=False)) is None


# --------------------------------------------------------------------- on one instance, on many


async def test_buckets_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "KEPT_BUCKETS", 3)
    buckets = MemoryBuckets(lambda: 0.0)
    for bucket in "abca":
        await buckets.consume([cost(bucket)])
    await buckets.consume([cost("d")])
    assert [bucket for bucket in "abcd" if buckets._buckets.get(bucket)] == ["a", "c", "d"]


@pytest.mark.usefixtures("patience")
async def test_instances_share_buckets_and_go_on_alone_without_valkey(broker_url: str) -> None:
    prefix = f"{{{secrets.token_hex(4)}}}:"
    one, other = (ValkeyBroker(broker_url, prefix=prefix) for _ in range(2))
    async with one.run(Quiet()), other.run(Quiet()):
        await until(lambda: one.is_up and other.is_up)
        spent = [await broker.buckets.consume([cost("x")]) for broker in (one, other, one, other)]
        assert [wait is None for wait in spent] == [True, True, True, False]
        key = f"{prefix}b1:x"
        with redis.from_url(broker_url) as raw:
            assert 0 < raw.pttl(key) <= 180_000, "a full bucket expires"
            raw.set(key, f"{(time.time() + 3600) * 1000:.3f}")
            refused = await one.buckets.consume([cost("x")])
            assert refused is not None
            assert refused.seconds <= 60, "a clock that was set back makes a bucket empty at most"
    started = time.monotonic()
    assert [await one.buckets.consume([cost("x")]) is None for _ in range(4)] == [True, True, True, False]
    assert time.monotonic() - started < shared.CONSUME_S / 2, "an unavailable Valkey must not delay requests"
