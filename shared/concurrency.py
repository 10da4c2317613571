"""Several awaitables at once with one plain error, and waiting with a time limit."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

import anyio

CLOSE_S: Final = 2.0
"""How long a part that closes waits for its work in progress: a stopping server has 9 seconds for all parts."""


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
