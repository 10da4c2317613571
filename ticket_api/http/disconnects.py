"""Stops reads for a client that has disconnected: the statement is interrupted and its slot goes to the next request.

Only reading requests are cancelled. A write runs to its end: its client may still check whether it was stored.
"""

import asyncio
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READING: Final = frozenset({"GET", "HEAD"})
CLIENT_GONE: Final = 499
"""The status that nginx logs when a client closed the connection; no client sees it."""


class Departures:
    """Cancels the handler of a reading request on `http.disconnect`, as long as the response has not begun."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. The first message of `receive` is the whole body."""
        if scope["type"] != "http" or scope["method"] not in READING:
            await self.app(scope, receive, send)
            return
        body = await receive()
        has_begun = False

        async def whole() -> Message:
            return body

        async def respond(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            leaving.cancel()
            await send(message)

        try:
            async with asyncio.timeout(None) as stay:
                leaving = asyncio.create_task(_end_when_gone(receive, stay))
                try:
                    await self.app(scope, whole, respond)
                finally:
                    leaving.cancel()
        except TimeoutError:
            if not stay.expired():
                raise
            if not has_begun:
                await Response(status_code=CLIENT_GONE)(scope, receive, send)


async def _end_when_gone(receive: Receive, stay: asyncio.Timeout) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stay.reschedule(asyncio.get_running_loop().time())
