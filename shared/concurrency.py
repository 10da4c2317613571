"""Several awaitables at once with one plain error, and waiting with a time limit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Generator
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any, Final, Generic, TypeVar

import anyio

T = TypeVar("T")

CLOSE_S: Final = 2.0
"""How long a part that closes waits for its work in progress: a stopping server has 9 seconds for all parts."""


@cache  # anyio finds out anew for each scope which event loop runs
def _kind_of_scope() -> type[anyio.CancelScope]:
    return type(anyio.CancelScope())


def new_scope() -> anyio.CancelScope:
    """Return a cancel scope; of the running event loop, as all in one process are."""
    return _kind_of_scope()()


async def gather_all(*calls: Coroutine[Any, Any, Any]) -> list[Any]:
    """Return the results of `calls` in order; the first failure cancels the others and is raised."""
    results: list[Any] = [None] * len(calls)

    async def keep(place: int, call: Coroutine[Any, Any, Any]) -> None:
        results[place] = await call

    try:
        async with anyio.create_task_group() as group:
            for place, call in enumerate(calls):
                group.start_soon(keep, place, call)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return results


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Run `work` beside the block, which may await it; at the end of the block it is cancelled if it still runs."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def wait_for_event(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait until `event` is set, at most `timeout_s` seconds; return whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
    return event.is_set()


async def finish(task: asyncio.Task[None], *, within_s: float = CLOSE_S) -> bool:
    """Wait at most `within_s` seconds for the end of `task`, then cancel it; return whether it ended in time."""
    try:
        ended, _ = await asyncio.wait({task}, timeout=within_s)
    finally:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return bool(ended)


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


class Begun(Generic[T]):
    """An awaitable whose first step has run; unless that was all, it has to be awaited for the rest, or for its error.

    Any task may do so, as long as the first step entered nothing that belongs to its task, such as a time limit.
    """

    __slots__ = ("_error", "_rest", "is_done", "result")

    result: T
    """Its result, if it is done."""

    def __init__(self, work: Awaitable[T]) -> None:
        steps: Generator[Any, Any, T] = work.__await__()
        self._error: Exception | None = None
        self.is_done = False
        """Whether it has its result."""
        try:
            self._rest = _Rest(steps, next(steps))
        except StopIteration as done:
            self.result, self.is_done = done.value, True
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            self._error = error

    def __await__(self) -> Generator[Any, Any, T]:
        if self._error is not None:
            raise self._error
        return self._rest.__await__()


class _Rest(Generic[T]):
    """What is left of the steps of an awaitable that waits for `awaited`."""

    __slots__ = ("_awaited", "_steps")

    def __init__(self, steps: Generator[Any, Any, T], awaited: object) -> None:
        self._steps = steps
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, T]:
        steps, awaited = self._steps, self._awaited
        try:
            while True:
                try:
                    sent = yield awaited
                except BaseException as error:  # noqa: BLE001 - a cancellation goes to the awaited step
                    awaited = steps.throw(error)
                else:
                    awaited = steps.send(sent)
        except StopIteration as done:
            result: T = done.value
            return result
