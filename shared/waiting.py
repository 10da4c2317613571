"""A time limit that costs nothing while nothing has to be waited for."""

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Return the result of `work`. Its first step runs at once, without a timer; the limit is for what follows.

    Most reads and writes of a connection are over after that step, and a timer costs several times as much as they do.

    Raises:
        TimeoutError: it was not done in time.
    """
    steps = work.__await__()
    try:
        awaited = next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
    async with asyncio.timeout(seconds):
        return await _Rest(steps, awaited)


class _Rest(Generic[T]):
    """What is left of an awaitable whose first step has run, and now waits for `awaited`."""

    def __init__(self, steps: Generator[Any, Any, T], awaited: Any) -> None:
        self._steps = steps
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, T]:
        awaited = self._awaited
        try:
            while True:
                try:
                    sent = yield awaited
                except BaseException as error:  # noqa: BLE001 - a cancellation goes to whoever waits
                    awaited = self._steps.throw(error)
                else:
                    awaited = self._steps.send(sent)
        except StopIteration as done:
            result: T = done.value
            return result
