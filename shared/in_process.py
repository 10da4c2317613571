"""The embedded ticket API, reached without a network: an app that finishes what it began.

`ASGITransport` runs the app inside the caller's own task, so a caller that gives up would cancel a handler in the
middle of a database statement. No server does that to an app, and SQLAlchemy over aiosqlite does not survive it: the
connection is never closed, and now and then the event loop cannot end. So each request runs in a task of its own.
"""

import asyncio
from typing import Any, Final

import httpx2

CLOSE_S: Final = 2.0
"""How long closing waits for requests that are still being handled; what is around it may have less time."""


class InProcessTransport(httpx2.AsyncBaseTransport):
    """Sends requests to an ASGI app in this event loop. It runs no lifespan; whoever owns the app does."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        self._running: set[asyncio.Task[httpx2.Response]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the app's answer; when the caller is cancelled, the app goes on."""
        task = asyncio.create_task(self._inner.handle_async_request(request))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Wait for what is still being handled; cancel what takes longer than `CLOSE_S`."""
        late = set(self._running)
        try:
            if late:
                _, late = await asyncio.wait(late, timeout=CLOSE_S)
        finally:
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
