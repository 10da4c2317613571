"""What is remembered for a while: answers of the store that many share."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from auth.store.errors import StoreUnavailableError
from shared.errors import TicketServerError
from shared.lru import LRUCache
from shared.telemetry import get_logger

log = get_logger(__name__)

V = TypeVar("V")

CACHE_S: Final = 30.0
"""How old an answer of the store may be: a revocation is in force everywhere after so many seconds."""
ASK_S: Final = 3.0
"""How long somebody waits for the store."""
MOST_ANSWERS: Final = 10_000
MOST_QUESTIONS: Final = 1_000
"""How many different questions may be under way; more than that is a flood, which is refused."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[V]):
    """What the store said to a question that was put at `asked_at` (seconds)."""

    value: V
    asked_at: float


class SharedAnswers(Generic[V]):
    """Answers of the store, none older than `life_s` seconds, "there is no such thing" included.

    Everybody who asks the same at once shares one question. It runs in a task of its own, because who gives up must not
    cancel a statement half way.

    Args:
        ask: puts the question to the store.
        life_s: how old an answer may be, counted from when it was asked for.
        seconds: a clock that never goes back.
    """

    def __init__(
        self,
        ask: Callable[[str], Awaitable[V]],
        *,
        life_s: float = CACHE_S,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._life_s = life_s
        self._seconds = seconds
        self._answers: LRUCache[str, Answer[V]] = LRUCache(MOST_ANSWERS)
        self._asking: dict[str, asyncio.Task[Answer[V] | None]] = {}

    async def get(self, question: str) -> V:
        """Return the answer, from memory if it is young enough. Raises: StoreUnavailableError."""
        known = self._answers.get(question)
        if known is not None and self._seconds() - known.asked_at < self._life_s:
            return known.value
        task = self._asking.get(question) or self._begin(question)
        await asyncio.wait({task}, timeout=ASK_S)
        answer = task.result() if task.done() else None
        if answer is None:
            raise StoreUnavailableError
        return answer.value

    def latest(self, question: str, *, within_s: float) -> V | None:
        """Return the last answer that there was, if it was asked for in the last `within_s` seconds."""
        known = self._answers.get(question)
        return known.value if known is not None and self._seconds() - known.asked_at < within_s else None

    async def settle(self) -> None:
        """Wait for the questions that are under way; each has a time limit of the database."""
        if self._asking:
            await asyncio.wait(set(self._asking.values()), timeout=ASK_S)

    def _begin(self, question: str) -> asyncio.Task[Answer[V] | None]:
        if len(self._asking) >= MOST_QUESTIONS:
            raise StoreUnavailableError
        task = asyncio.create_task(self._answer(question))
        self._asking[question] = task
        task.add_done_callback(lambda _: self._asking.pop(question, None))
        return task

    async def _answer(self, question: str) -> Answer[V] | None:
        asked_at = self._seconds()
        try:
            answer = Answer(await self._ask(question), asked_at)
        except (TicketServerError, SQLAlchemyError, OSError) as error:
            log.warning("identity_store_unavailable", error=type(error).__name__)
            return None
        self._answers.put(question, answer)
        return answer
