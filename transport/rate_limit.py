"""How often a principal, and its organisation as a whole, may ask: token buckets. Pure.

A bucket is one number: the time at which it will be full again. Each token taken moves that time by the interval in
which one flows in; a bucket that is full is the same as one that nobody knows. Source: the generic cell rate
algorithm (ITU-T I.371), which is a token bucket without a clock of its own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, Protocol

from shared.errors import TicketServerError
from shared.identity import PrincipalKey

_TOLERANCE_S: Final = 1e-6
"""Sums of intervals are not exact."""
PER_CALL: Final = 3
"""HTTP requests that clients need for a call on average, at most: its POST, coming for its answer, and the pings,
notifications and handshakes around it."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket of `burst` tokens into which `per_minute` flow. Raises: ValueError when nothing could ever pass."""

    per_minute: float
    burst: int

    def __post_init__(self) -> None:
        if not self.per_minute > 0 or self.burst < 1:
            raise ValueError("a rate needs more than 0 a minute and a burst of at least 1")

    @property
    def interval_s(self) -> float:
        """Seconds in which one token flows in."""
        return 60 / self.per_minute

    def take(self, full_at: float, now: float) -> tuple[float, float]:
        """Return when the bucket will be full again with one token less, and how long that token is to be waited for.

        Args:
            full_at: when it would be full without that, in seconds; any time in the past for a full one.
            now: the time, in seconds.

        Returns:
            The new time, and the seconds to wait; 0 when the token is there.
        """
        after = max(full_at, now) + self.interval_s
        wait = after - now - self.burst * self.interval_s
        return after, wait if wait > _TOLERANCE_S else 0.0


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
    """A charge that could not be paid, and the seconds until it could."""

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
    # The length in front keeps every two apart, whatever signs their names have.
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
        """Which limit it was, for whoever looks into it."""
        whose = "your organisation's" if wait.cost.is_tenants else "your"
        super().__init__(
            f"Too many {wait.cost.what}s: {whose} limit is {wait.cost.rate.per_minute:g} a minute. "
            f"Nothing was changed; try again in {self.retry_after_s} s."
        )


class Buckets(Protocol):
    """Keeps buckets: `MemoryBuckets` those of one instance, `SharedBuckets` those of all instances.

    Both pass tests/transport/test_rate_limit.py.
    """

    async def consume(self, costs: Sequence[Cost]) -> Wait | None:
        """Pay all of `costs` together, or nothing: then return the longest wait. Never raises."""
        ...
