"""Calls the embedded ticket API without a network, so that a cancelled caller does not cancel the app's handler.

`ASGITransport` runs the app in the caller's task, so cancelling the caller would cancel a handler in the middle of a
database statement, even a write. No server does that to an app. So each request runs in a task of its own, and the app
receives what a server would send: "http.disconnect".
"""

import asyncio
from typing import Any, Final

import httpx2

CLOSE_S: Final = 2.0
"""How long closing waits for requests in progress, in seconds; the surrounding shutdown may allow less."""


class InProcessTransport(httpx2.AsyncBaseTransport):
    """Sends requests to an ASGI app in this event loop. The owner of the app runs its lifespan."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._running: set[asyncio.Task[httpx2.Response]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the app's response; if the caller is cancelled, the app receives a disconnect and continues."""
        gone = asyncio.Event()
        inner = httpx2.ASGITransport(app=_disconnecting(self._app, gone), raise_app_exceptions=False)
        task = asyncio.create_task(inner.handle_async_request(request))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(task)
        finally:
            gone.set()

    async def aclose(self) -> None:
        """Wait for requests in progress; cancel those that take longer than `CLOSE_S`."""
        late = set(self._running)
        try:
            if late:
                _, late = await asyncio.wait(late, timeout=CLOSE_S)
        finally:
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _disconnecting(app: Any, gone: asyncio.Event) -> Any:
    """Return `app` with a `receive` that returns "http.disconnect" once `gone` is set, as a server does."""

    async def call(scope: Any, receive: Any, send: Any) -> None:
        is_whole = False

        async def receive_or_leave() -> Any:
            nonlocal is_whole
            if is_whole:
                await gone.wait()
                return {"type": "http.disconnect"}
            message = await receive()
            is_whole = not message.get("more_body", False)
            return message

        await app(scope, receive_or_leave, send)

    return call
