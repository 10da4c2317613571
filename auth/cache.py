"""A cache of identity store lookups; concurrent lookups of the same id share one query."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from auth.store.errors import StoreUnavailableError
from shared.errors import TicketServerError
from shared.lru import LRUCache
from shared.telemetry import get_logger

log = get_logger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
R = TypeVar("R")

CACHE_S: Final = 30.0
"""Maximum age of a cached result: a revocation takes effect everywhere within this many seconds."""
STREAM_OUTAGE_S: Final = 300.0
"""How long an open stream outlives the store's last response about its credential, in seconds."""
ASK_S: Final = 3.0
"""How long a caller waits for the store, in seconds."""
MOST_ANSWERS: Final = 10_000
MOST_QUESTIONS: Final = 1_000
"""How many different lookups may be in flight; more is a flood and is refused."""


@dataclass(frozen=True, slots=True)
class CachedAnswer(Generic[V]):
    """The result of a lookup that started at `asked_at` (seconds)."""

    value: V
    asked_at: float


class DerivedCache(Generic[K, V, R]):
    """What was made of cached results, by their questions: made again once the cache has another result."""

    def __init__(self) -> None:
        self._made: LRUCache[K, tuple[V, R]] = LRUCache(MOST_ANSWERS)

    def get(self, question: K, value: V, make: Callable[[], R]) -> R:
        """Return what `make` made of this very `value`."""
        known = self._made.get(question)
        if known is None or known[0] is not value:
            known = value, make()
            self._made.put(question, known)
        return known[1]


class SingleFlightCache(Generic[K, V]):
    """Results of store lookups, none older than `life_s` seconds; "not found" is cached too.

    Concurrent lookups of the same id share one query. It runs in a task of its own, so that a caller that is cancelled
    does not cancel a statement half way.

    Args:
        ask: queries the store.
        life_s: maximum age of a result, counted from the start of its query.
        seconds: a monotonic clock.
    """

    def __init__(
        self,
        ask: Callable[[K], Awaitable[V]],
        *,
        life_s: float = CACHE_S,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._life_s = life_s
        self._seconds = seconds
        self._values: LRUCache[K, CachedAnswer[V]] = LRUCache(MOST_ANSWERS)
        self._asking: dict[K, asyncio.Task[CachedAnswer[V] | None]] = {}

    async def get(self, question: K) -> V:
        """Return the result, from the cache if it is recent enough. Raises: StoreUnavailableError."""
        known = self._values.get(question)
        if known is not None and self._seconds() - known.asked_at < self._life_s:
            return known.value
        task = self._asking.get(question) or self._begin(question)
        await asyncio.wait({task}, timeout=ASK_S)
        answer = task.result() if task.done() else None
        if answer is None:
            raise StoreUnavailableError
        return answer.value

    def latest(self, question: K, *, within_s: float) -> V | None:
        """Return the latest cached result if its query started within the last `within_s` seconds."""
        known = self._values.get(question)
        return known.value if known is not None and self._seconds() - known.asked_at < within_s else None

    async def join(self) -> None:
        """Wait for the queries in flight; the database limits the time of each."""
        if self._asking:
            await asyncio.wait(set(self._asking.values()), timeout=ASK_S)

    def _begin(self, question: K) -> asyncio.Task[CachedAnswer[V] | None]:
        if len(self._asking) >= MOST_QUESTIONS:
            raise StoreUnavailableError
        task = asyncio.create_task(self._answer(question))
        self._asking[question] = task
        task.add_done_callback(lambda _: self._asking.pop(question, None))
        return task

    async def _answer(self, question: K) -> CachedAnswer[V] | None:
        asked_at = self._seconds()
        try:
            answer = CachedAnswer(await self._ask(question), asked_at)
        except (TicketServerError, SQLAlchemyError, OSError) as error:
            log.warning("identity_store_unavailable", error=type(error).__name__)
            return None
        self._values.put(question, answer)
        return answer
