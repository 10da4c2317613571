"""Throttles networks that present wrong keys: ten failed attempts at once, then one every six seconds.

Per process and in memory. A valid key costs no attempt, however many are presented at once. A key that was valid within
the last hour is checked even if its network has no attempts left, so that a client guessing keys does not lock out
others behind the same address. It is still checked, so a revoked key is refused.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final

from shared.audit import AuditEvent, AuditTrail
from shared.blind_cache import BlindCache
from shared.concurrency import wait_for_event
from shared.errors import TicketServerError
from shared.http.address import network_of
from shared.lru import LRUCache
from shared.throttled_audit import ThrottledAuditTrail

AT_ONCE: Final = 10
REFILL_S: Final = 6.0
MOST_NETWORKS: Final = 10_000
TURN_S: Final = 5.0
"""How long a request waits, in seconds, while its network has all its remaining attempts in progress."""
MOST_ADDRESSES: Final = 1_000
"""Addresses with separate refusals in the audit log; all others are `elsewhere`."""
RIGHT_FOR_S: Final = 3600.0
"""How long a valid key is still checked for a network without attempts left, in seconds."""
MOST_RIGHT: Final = 10_000


class TooManyFailuresError(TicketServerError):
    """Too many wrong keys came from this network; the key was not checked."""

    kind = "too_many_wrong_keys"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            f"Too many wrong API keys came from your address. Check the key, and try again in {retry_after_s} s."
        )
        self.retry_after_s = retry_after_s


@dataclass(slots=True)
class _Bucket:
    left: float
    filled_at: float
    under_way: int = 0
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class FailedAttempts:
    """A token bucket of attempts for each network that presents keys. Use inside `run()`, which records repeats.

    Args:
        is_wrong: whether an error of a check means that the key is wrong, as opposed to an outage, for example.
        trail: receives refusals, at once and then once a minute for each address; never a key.
        what: the kind of key, as named in the audit log.
        seconds: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        is_wrong: Callable[[Exception], bool],
        *,
        trail: AuditTrail,
        what: str = "key",
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_wrong = is_wrong
        self._what = what
        self._seconds = seconds
        self._buckets: LRUCache[str, _Bucket] = LRUCache(MOST_NETWORKS)
        self._refusals = ThrottledAuditTrail(trail, max_kinds=MOST_ADDRESSES, clock=seconds)
        self._right: BlindCache[float] = BlindCache(MOST_RIGHT)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Record counted refusals periodically and at the end."""
        async with self._refusals.run():
            yield

    @asynccontextmanager
    async def attempt(self, address: str, *keys: str, credential: str = "") -> AsyncIterator[None]:
        """Let the block check `keys`, which came from the IP address `address`; its error says if all are wrong.

        An attempt is reserved before the check, so that concurrent checks cannot exceed the remaining attempts, and
        returned if a key is valid. Keys of one request are one attempt. `credential` is the public part of a key, for
        the audit log.

        Raises:
            TooManyFailuresError: no attempt is left; nothing was checked.
        """
        turn: AbstractAsyncContextManager[None] = self._turn(network_of(address))
        if any(map(self._was_right, keys)):
            turn = nullcontext()
        try:
            async with turn:
                yield
        except TooManyFailuresError:
            await self._record(f"too many wrong {self._what}s", address, credential)
            raise
        except Exception as error:
            if self._is_wrong(error):
                for key in keys:
                    self._right.discard(key)
                await self._record(f"wrong {self._what}", address, credential)
            raise
        for key in keys:
            self._right.put(key, self._seconds())

    async def _record(self, refused: str, address: str, credential: str) -> None:
        detail = f"{refused} from {address}"
        event = AuditEvent(action="authenticate", outcome="unauthenticated", credential=credential, detail=detail)
        await self._refusals.record((address, refused), event)

    def _was_right(self, key: str) -> bool:
        right_at = self._right.get(key)
        return right_at is not None and self._seconds() - right_at < RIGHT_FOR_S

    @asynccontextmanager
    async def _turn(self, network: str) -> AsyncIterator[None]:
        bucket = self._bucket(network)
        await self._set_aside(bucket)
        try:
            yield
        except Exception as error:
            if self._is_wrong(error):
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
                raise TooManyFailuresError(max(1, math.ceil((1 - bucket.left) * REFILL_S)))
            bucket.settled.clear()
            await wait_for_event(bucket.settled, left_s)
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
