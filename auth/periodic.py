"""Background work: periodic, and once more at shutdown."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

CLOSE_S: Final = 2.0
"""How long shutdown waits for work in progress, in seconds: a stopping server has 9 s for everything."""


@asynccontextmanager
async def now_and_then(work: Callable[[], Awaitable[None]], *, every_s: float) -> AsyncIterator[None]:
    """Run `work` every `every_s` seconds while the block runs, and once more at its end. `work` must not raise."""
    ended = asyncio.Event()

    async def go_on() -> None:
        while not ended.is_set():
            await wait_for(ended, every_s)
            await work()

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        ended.set()
        await finish(task)


async def wait_for(event: asyncio.Event, at_most_s: float) -> None:
    """Wait until `event` is set, or for `at_most_s` seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(at_most_s):
            await event.wait()


async def finish(task: asyncio.Task[None]) -> None:
    """Wait up to `CLOSE_S` seconds for `task` to end, then cancel it."""
    try:
        await asyncio.wait({task}, timeout=CLOSE_S)
    finally:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task
