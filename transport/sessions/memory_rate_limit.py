"""Token buckets in this process: for one instance, and for limits that each instance keeps alone."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from shared.lru import LRUCache
from transport.rate_limit import Cost, Wait

KEPT_BUCKETS: Final = 10_000
"""The most recently used buckets are kept. A forgotten one is full again, so more are kept than are ever empty."""


class MemoryBuckets:
    """Buckets of this process.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full_at: LRUCache[str, float] = LRUCache(KEPT_BUCKETS)

    async def consume(self, costs: Sequence[Cost]) -> Wait | None:
        """Pay all of `costs` together, or nothing."""
        return self.try_consume(costs)

    def try_consume(self, costs: Sequence[Cost]) -> Wait | None:
        """Do what `consume` does, without awaiting."""
        now = self._clock()
        taken = [cost.rate.take(self._full_at.get(cost.bucket) or now, now) for cost in costs]
        waits = [Wait(cost, wait) for cost, (_, wait) in zip(costs, taken, strict=True) if wait]
        if waits:
            return max(waits, key=lambda one: one.seconds)
        for cost, (full_at, _) in zip(costs, taken, strict=True):
            self._full_at.put(cost.bucket, full_at)
        return None
