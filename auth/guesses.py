"""Slows down whoever guesses keys: each address may be wrong ten times at once, and then once in six seconds.

Per instance and in memory. A right key costs nothing, however many are presented at once.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from auth.background import wait_for
from auth.remembered import Recent
from shared.identity import AuthenticationError

AT_ONCE: Final = 10
REFILL_S: Final = 6.0
MOST_NETWORKS: Final = 10_000
TURN_S: Final = 5.0
"""How long a request waits for its turn while as many are being checked as its network may guess."""


@dataclass(slots=True)
class _Bucket:
    left: float
    filled_at: float
    under_way: int = 0
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class Guesses:
    """A bucket of guesses for each network that presents keys."""

    def __init__(self, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._buckets: Recent[str, _Bucket] = Recent(MOST_NETWORKS)

    @asynccontextmanager
    async def attempt(self, network: str) -> AsyncIterator[None]:
        """Let the block check one key from `network`; if it raises a 401, that was a guess.

        A guess is set aside before the check, so that many at once are not more than are left, and given back when the
        key was right.

        Raises:
            AuthenticationError: (429) there is none left; nothing was checked.
        """
        bucket = self._bucket(network)
        await self._set_aside(bucket)
        try:
            yield
        except AuthenticationError as error:
            if error.status == 401:
                self._fill(bucket).left -= 1
            raise
        finally:
            bucket.under_way -= 1
            bucket.settled.set()

    async def _set_aside(self, bucket: _Bucket) -> None:
        give_up_at = self._seconds() + TURN_S
        while self._fill(bucket).left - bucket.under_way < 1:
            left_s = give_up_at - self._seconds()
            if not bucket.under_way or left_s <= 0:
                raise _too_many((1 - bucket.left) * REFILL_S)
            bucket.settled.clear()
            await wait_for(bucket.settled, left_s)
        bucket.under_way += 1

    def _bucket(self, network: str) -> _Bucket:
        bucket = self._buckets.get(network)
        if bucket is None:
            bucket = _Bucket(AT_ONCE, self._seconds())
            self._buckets.put(network, bucket)
        return bucket

    def _fill(self, bucket: _Bucket) -> _Bucket:
        now = self._seconds()
        bucket.left = min(AT_ONCE, bucket.left + (now - bucket.filled_at) / REFILL_S)
        bucket.filled_at = now
        return bucket


def _too_many(wait_s: float) -> AuthenticationError:
    retry_after_s = max(1, math.ceil(wait_s))
    return AuthenticationError(
        f"Too many wrong API keys came from your address. Check the key, and try again in {retry_after_s} s.",
        status=429,
        retry_after_s=retry_after_s,
    )
