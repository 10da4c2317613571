"""The embedded ticket API, reached without a network: an app that finishes what it began.

`ASGITransport` runs the app inside the caller's own task, so a caller that gives up would cancel a handler in the
middle of a database statement, a write included. No server does that to an app. So each request runs in a task of its
own, and the app learns what a server would say: the client has disconnected.
"""

import asyncio
from typing import Any, Final

import httpx2

CLOSE_S: Final = 2.0
"""How long closing waits for requests that are still being handled; what is around it may have less time."""


class InProcessTransport(httpx2.AsyncBaseTransport):
    """Sends requests to an ASGI app in this event loop. It runs no lifespan; whoever owns the app does."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._running: set[asyncio.Task[httpx2.Response]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the app's answer; when the caller is cancelled, the app is told so and goes on."""
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
        """Wait for what is still being handled; cancel what takes longer than `CLOSE_S`."""
        late = set(self._running)
        try:
            if late:
                _, late = await asyncio.wait(late, timeout=CLOSE_S)
        finally:
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _disconnecting(app: Any, gone: asyncio.Event) -> Any:
    """Return `app` with a `receive` that says "http.disconnect" once `gone` is set, as a server does."""

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
