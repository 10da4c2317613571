"""One POST is a straight line: how many files of the transport it enters, and how often each.

A file is entered by a call from outside of it; a return into it does not count, nor does a coroutine that goes on. What
the writer of the stream does is apart: it belongs to the GET of HTTP+SSE, and runs beside the call on Streamable HTTP.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest

import transport
from shared.rate import Rate
from tests.transport.http_client import call, http_client
from tests.transport.serving import bench
from tests.transport.sse_client import sse_session
from transport.rate_limit import Rates

ROOT: Final = str(Path(transport.__file__).parent)
WRITER: Final = "http/event_stream.py"
MAX_FILES: Final = 13
MAX_ENTRIES: Final = 2
MAX_WRITER_FILES: Final = 4
ME: Final = {"x-api-key": "key-me"}
ALONE: Final = {"rates": Rates(*[Rate(1e6, 10**6)] * 4), "recheck_s": 3600.0}
"""Any number of requests, and no other work of the server beside them."""


class Rooms:
    """The files of the transport that were entered, and how often."""

    def __init__(self) -> None:
        self.of_post: Counter[str] = Counter()
        self.of_writer: Counter[str] = Counter()
        self._writers = asyncio.all_tasks()
        """What runs already: over HTTP+SSE the stream is one of these tasks."""
        self._seen: set[FrameType] = {frame for task in self._writers for frame in _suspended(task)}

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Look at what the interpreter does."""
        file = _file(frame)
        if event != "call" or file is None or frame in self._seen:
            return
        self._seen.add(frame)  # a coroutine that goes on is called again, with the same frame
        callers = list(_callers(frame))
        is_writer = WRITER in (file, *callers) or asyncio.current_task() in self._writers
        if not callers or callers[0] != file:
            (self.of_writer if is_writer else self.of_post)[file] += 1


def _suspended(task: asyncio.Task[Any]) -> Iterator[FrameType]:
    """Yield the frames of the coroutines in which `task` waits."""
    coroutine: Any = task.get_coro()
    while frame := getattr(coroutine, "cr_frame", None):
        yield frame
        coroutine = coroutine.cr_await


def _callers(frame: FrameType) -> Iterator[str]:
    """Yield the files of the transport from which `frame` was called, the nearest first."""
    caller = frame.f_back
    while caller is not None:
        if file := _file(caller):
            yield file
        caller = caller.f_back


def _file(frame: FrameType) -> str | None:
    name = frame.f_code.co_filename
    return name.removeprefix(ROOT)[1:] if name.startswith(ROOT) else None


@contextmanager
def watched() -> Iterator[Rooms]:
    rooms = Rooms()
    sys.setprofile(rooms)
    try:
        yield rooms
    finally:
        sys.setprofile(None)


async def of_sse() -> Rooms:
    async with bench(more=ALONE) as at, sse_session(at.url, ME) as client:
        await client.call("echo", text="warm")
        with watched() as rooms:
            await client.call("echo", text="x")
    return rooms


async def of_streamable_http() -> Rooms:
    async with bench(more=ALONE) as at, http_client(at.url, ME, "2025-11-25") as client:
        await client.post(call("warm", "echo", text="warm"))
        with watched() as rooms:
            await client.post(call(1, "echo", text="x"))
    return rooms


@pytest.mark.parametrize("profiled", [of_sse, of_streamable_http])
async def test_a_post_enters_few_files_and_none_more_than_twice(profiled: Callable[[], Awaitable[Rooms]]) -> None:
    rooms = await profiled()

    assert len(rooms.of_post) <= MAX_FILES, sorted(rooms.of_post.items())
    assert {file: times for file, times in rooms.of_post.items() if times > MAX_ENTRIES} == {}
    assert len(rooms.of_writer) <= MAX_WRITER_FILES, sorted(rooms.of_writer.items())
