"""Work that is done beside the requests: now and then, and once more at the end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

CLOSE_S: Final = 2.0
"""How long the end waits for work that is under way: a stopping server has 9 seconds for everything."""


@asynccontextmanager
async def now_and_then(work: Callable[[], Awaitable[None]], *, every_s: float) -> AsyncIterator[None]:
    """Do `work` every `every_s` seconds as long as the block runs, and once more at its end. `work` must not raise."""
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
    """Wait for the end of `task` for `CLOSE_S`, then cancel it."""
    try:
        await asyncio.wait({task}, timeout=CLOSE_S)
    finally:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await task
