"""A task that runs every few seconds beside the requests, and once more when its owner ends."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from shared.concurrency import CLOSE_S, finish, wait_for_event
from shared.telemetry import get_logger

log = get_logger(__name__)

Work = Callable[[], Awaitable[None] | None]


@asynccontextmanager
async def periodic_task(work: Work, *, name: str, every_s: float, at_exit: Work | None = None) -> AsyncGenerator[None]:
    """Run `work` every `every_s` seconds until the block is left.

    An error of `work` is logged and does not end the task. When the block is left, a run in progress is cancelled; with
    `at_exit` it may end and `at_exit` runs after it, both together within `CLOSE_S` seconds.

    Args:
        work: a function or coroutine function.
        name: of the task, in log lines.
        every_s: seconds between the end of one run and the start of the next.
        at_exit: runs once when the block is left.
    """
    leaving = asyncio.Event()

    async def run(what: Work) -> None:
        try:
            awaitable = what()
            if awaitable is not None:
                await awaitable
        except Exception:  # the next run may succeed
            log.exception("periodic_task_failed", task=name)

    async def repeat() -> None:
        while not await wait_for_event(leaving, every_s):
            await run(work)
        if at_exit is not None:
            await run(at_exit)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        leaving.set()
        if not await finish(task, within_s=CLOSE_S if at_exit else 0) and at_exit:
            log.warning("periodic_task_unfinished", task=name)
