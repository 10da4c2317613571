"""The buckets of a single instance."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from shared.lru import LRUCache
from transport.rate_limit import Charge, Wait

KEPT_BUCKETS: Final = 10_000
"""Those that were used last. One that is forgotten is full again, so this has to be more than are ever empty."""


class MemoryBuckets:
    """Buckets in this process.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full_at: LRUCache[str, float] = LRUCache(KEPT_BUCKETS)

    async def spend(self, charges: Sequence[Charge]) -> Wait | None:
        """Pay all of `charges` together, or nothing."""
        return self.take(charges)

    def take(self, charges: Sequence[Charge]) -> Wait | None:
        """Do what `spend` does, for whoever has no time to wait."""
        now = self._clock()
        taken = [charge.rate.take(self._full_at.get(charge.bucket) or now, now) for charge in charges]
        waits = [Wait(charge, wait) for charge, (_, wait) in zip(charges, taken, strict=True) if wait]
        if waits:
            return max(waits, key=lambda one: one.seconds)
        for charge, (full_at, _) in zip(charges, taken, strict=True):
            self._full_at.put(charge.bucket, full_at)
        return None
