"""How often something may happen: a token bucket without a clock of its own. Pure.

A bucket is one number: the time at which it will be full again. Each token taken moves that time by the interval in
which one flows in; a full bucket is the same as an unknown one. Source: the generic cell rate algorithm (ITU-T I.371).
"""

from dataclasses import dataclass, field
from typing import Final

_TOLERANCE_S: Final = 1e-6
"""Sums of intervals are not exact."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket of `burst` tokens into which `per_minute` flow. Raises: ValueError when nothing could ever pass."""

    per_minute: float
    burst: int
    interval_s: float = field(init=False)
    """Seconds in which one token flows in."""
    burst_s: float = field(init=False)
    """Seconds in which an empty bucket becomes full."""

    def __post_init__(self) -> None:
        if not self.per_minute > 0 or self.burst < 1:
            raise ValueError("a rate needs more than 0 a minute and a burst of at least 1")
        object.__setattr__(self, "interval_s", 60 / self.per_minute)
        object.__setattr__(self, "burst_s", self.burst * self.interval_s)

    def take(self, full_at: float, now: float) -> tuple[float, float]:
        """Return when the bucket will be full again with one token less, and how long that token is to be waited for.

        Args:
            full_at: when it would be full without that, in seconds; any time in the past for a full one.
            now: the time, in seconds.

        Returns:
            The new time, and the seconds to wait; 0 when the token is there.
        """
        after = full_at + self.interval_s if full_at > now else now + self.interval_s
        wait = after - now - self.burst_s
        return after, wait if wait > _TOLERANCE_S else 0.0
