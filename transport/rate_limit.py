"""How often a principal, and its organisation as a whole, may ask: token buckets (`shared.rate`). Pure."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, Protocol

from shared.errors import TicketServerError
from shared.identity import PrincipalKey
from shared.lru import LRUCache
from shared.rate import Rate

KEPT_BUCKETS: Final = 10_000
"""Buckets kept, the most recently used. An evicted one is full again, so this has to be more than are ever empty."""
PER_CALL: Final = 3
"""HTTP requests that clients need for a call on average, at most: its POST, a GET for its response, and the pings,
notifications and handshakes around it."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One token of one bucket."""

    bucket: str
    rate: Rate
    what: Literal["read", "write", "HTTP request"]
    is_tenants: bool
    """Whether the whole organisation takes from it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A cost that could not be paid, and the seconds until it could."""

    cost: Cost
    seconds: float


@dataclass(frozen=True)
class Rates:
    """What one principal may do, and what all of an organisation may do together; reads and writes apart."""

    read: Rate
    write: Rate
    tenant_read: Rate
    tenant_write: Rate

    def costs(self, owner: PrincipalKey, *, writes: bool) -> tuple[Cost, Cost]:
        """Return what a request of `owner` costs."""
        if writes:
            return _pair("w", owner, "write", self.write, self.tenant_write)
        return _pair("r", owner, "read", self.read, self.tenant_read)

    def http_costs(self, owner: PrincipalKey) -> tuple[Cost, Cost]:
        """Return what an HTTP request of `owner` costs, whatever it carries."""
        return _pair("h", owner, "HTTP request", self._http_rate, self._tenant_http_rate)

    @cached_property
    def _http_rate(self) -> Rate:
        return _for_calls(self.read, self.write)

    @cached_property
    def _tenant_http_rate(self) -> Rate:
        return _for_calls(self.tenant_read, self.tenant_write)


def _pair(
    kind: str, owner: PrincipalKey, what: Literal["read", "write", "HTTP request"], rate: Rate, of_tenant: Rate
) -> tuple[Cost, Cost]:
    tenant, principal = owner
    # The length in front keeps every two apart, whatever characters their names have.
    return (
        Cost(f"{kind}{len(tenant)}:{tenant}:{principal}", rate, what, False),
        Cost(f"{kind}t:{tenant}", of_tenant, what, True),
    )


def _for_calls(read: Rate, write: Rate) -> Rate:
    return Rate(PER_CALL * (read.per_minute + write.per_minute), PER_CALL * (read.burst + write.burst))


class RateLimitedError(TicketServerError):
    """So many requests came in so short a time that this one was not looked at."""

    kind = "rate_limited"

    def __init__(self, wait: Wait) -> None:
        self.retry_after_s = max(1, math.ceil(wait.seconds))
        """Whole seconds after which it would pass, if nothing else came meanwhile."""
        self.limit = f"{'tenant' if wait.cost.is_tenants else 'principal'} {wait.cost.what}"
        """Which limit it was, for the audit trail."""
        whose = "your organisation's" if wait.cost.is_tenants else "your"
        super().__init__(
            f"Too many {wait.cost.what}s: {whose} limit is {wait.cost.rate.per_minute:g} a minute. "
            f"Nothing was changed; try again in {self.retry_after_s} s."
        )


class Buckets(Protocol):
    """Keeps buckets: `MemoryBuckets` those of one instance, `valkey.rate_limit.SharedBuckets` those of many.

    Both pass tests/transport/test_rate_limit.py.
    """

    async def consume(self, costs: Sequence[Cost]) -> Wait | None:
        """Pay all of `costs` together, or nothing: then return the longest wait. Never raises."""
        ...


@dataclass(slots=True, eq=False)
class _Bucket:
    full_at: float


class MemoryBuckets:
    """Buckets in this process.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: LRUCache[str, _Bucket] = LRUCache(KEPT_BUCKETS)

    async def consume(self, costs: Sequence[Cost]) -> Wait | None:
        """Pay all of `costs` together, or nothing."""
        return self.try_consume(costs)

    def try_consume(self, costs: Sequence[Cost]) -> Wait | None:
        """Do what `consume` does, without waiting."""
        now = self._clock()
        longest: Wait | None = None
        taken: list[tuple[_Bucket, float]] = []
        for cost in costs:
            bucket = self._buckets.get(cost.bucket)
            if bucket is None:
                bucket = _Bucket(now)
                self._buckets.put(cost.bucket, bucket)
            full_at, wait = cost.rate.take(bucket.full_at, now)
            if wait and (longest is None or wait > longest.seconds):
                longest = Wait(cost, wait)
            taken.append((bucket, full_at))
        if longest is None:
            for bucket, full_at in taken:
                bucket.full_at = full_at
        return longest
