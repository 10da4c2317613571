"""A ticket API that holds requests back: the stand-in behind a gate, on a loopback port.

It runs in the event loop of the test, which opens the gate or does not. It records which clients leave while held.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

import uvicorn
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests import standin
from tests.processes import API_KEY

WAIT_S: Final = 20.0


class Gate:
    """Pass requests to `app`, except those it `holds`, which wait until `opened`."""

    def __init__(self, app: ASGIApp, holds: Callable[[str, str], bool]) -> None:
        self.address = ""
        self.opened = asyncio.Event()
        self._app = app
        self._holds = holds
        self._held: list[str] = []
        self._left: list[str] = []
        self._news = asyncio.Condition()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, now or once opened."""
        if self._holds(scope["method"], scope["path"]):
            async with self._news:
                self._held.append(scope["path"])
                self._news.notify_all()
            receive = await self._hold(scope["path"], receive)
        with contextlib.suppress(ClientDisconnect):  # the client has left
            await self._app(scope, receive, send)

    async def _hold(self, path: str, receive: Receive) -> Receive:
        """Wait until opened, recording a client that leaves first; return how to read the request later."""
        taken: list[Message] = []

        async def watch() -> None:
            while not taken or taken[-1]["type"] != "http.disconnect":
                taken.append(await receive())
            async with self._news:
                self._left.append(path)
                self._news.notify_all()

        async def read() -> Message:
            return taken.pop(0) if taken else await receive()

        watching = asyncio.create_task(watch())
        await self.opened.wait()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return read

    @property
    def left(self) -> list[str]:
        """The paths of requests whose clients left while they were held."""
        return list(self._left)

    async def until_left(self, requests: int, seconds: float) -> None:
        """Wait until that many clients have left. Raises: TimeoutError after so many seconds."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: len(self._left) >= requests)

    async def until_held(self, requests: int) -> None:
        """Wait until that many requests are held."""
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: len(self._held) >= requests)


@asynccontextmanager
async def gated_api(holds: Callable[[str, str], bool]) -> AsyncGenerator[Gate]:
    """Serve the stand-in behind a gate that holds requests for which `holds(method, path)` is true."""
    gate = Gate(standin.create_app(api_key=API_KEY), holds)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gate.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            gate, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=2, timeout_keep_alive=65
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield gate
        finally:
            gate.opened.set()
            server.should_exit = True
            await serving
