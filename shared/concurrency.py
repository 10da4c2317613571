"""Runs several awaitables concurrently and raises a single error instead of a group."""

from collections.abc import Coroutine
from typing import Any

import anyio


async def together(*calls: Coroutine[Any, Any, Any]) -> list[Any]:
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
