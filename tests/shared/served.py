"""The server of both programs with a small application, in the test's own event loop, and raw connections to it."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from shared.http import protocol
from shared.http.protocol import BoundedProtocol
from shared.http.server import Server

LIMIT_S = 15.0
"""Seconds; no test takes this long unless it hangs."""


class QuietServer(Server):
    """A server that leaves signals to the test runner."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@dataclass
class Bench:
    """A served application, with the event that its handlers wait for."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    """Releases `/slow`, and `/after`, which continues after its complete response."""
    called: int = 0
    """Number of requests that reached the application."""
    accepted: int = 0
    """Number of accepted connections."""
    port: int = 0
    now: float = 1000.0
    """The clock of the server for heads, in seconds; it stands still until the test sets it."""
    server: QuietServer = field(init=False)

    async def health(self, _: Request) -> JSONResponse:
        return JSONResponse({"status": "healthy"})

    async def slow(self, _: Request) -> JSONResponse:
        await self.opened.wait()
        return JSONResponse({})

    async def body(self, request: Request) -> JSONResponse:
        return JSONResponse({"bytes": len(await request.body())})

    async def stream(self, _: Request) -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            await self.opened.wait()
            yield b"last"

        return StreamingResponse(parts())

    async def large(self, _: Request) -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(200):
                yield bytes(100_000)

        return StreamingResponse(parts())

    async def after(self, scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({})(scope, receive, send)
        await self.opened.wait()

    async def given_up(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.called += 1
        if scope["path"] == "/after":
            await self.after(scope, receive, send)
        elif scope["path"] == "/given-up":
            await self.given_up(scope, receive, send)
        else:
            await self.routes(scope, receive, send)

    @property
    def routes(self) -> Starlette:
        paths: dict[str, Any] = {"/health": self.health, "/slow": self.slow, "/stream": self.stream}
        paths |= {"/body": self.body, "/large": self.large}
        return Starlette(routes=[Route(path, response, methods=["GET", "POST"]) for path, response in paths.items()])


@asynccontextmanager
async def served(**options: Any) -> AsyncGenerator[Bench]:
    """Serve the application; `options` are the server's."""
    bench = Bench()
    frozen = SimpleNamespace(monotonic=lambda: bench.now)
    started = asyncio.get_running_loop().create_future()
    around = Starlette()
    around.mount("/", bench.app)
    bench.server = QuietServer(around, host="127.0.0.1", port=0, finish_s=1, on_started=started.set_result, **options)
    enter = bench.server.server_state.add

    def counted(new: BoundedProtocol) -> None:
        bench.accepted += 1
        enter(new)

    bench.server.server_state.add = counted  # type: ignore[method-assign]  # to know when it was accepted
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "time", frozen)
        serving = asyncio.create_task(bench.server.serve())
        bench.port = await asyncio.wait_for(started, LIMIT_S)
        try:
            async with asyncio.timeout(LIMIT_S):
                yield bench
        finally:
            bench.opened.set()
            bench.server.should_exit = True
            await serving


class Connection:
    """A raw connection; data the server wrote before closing stays readable even if more is sent to it."""

    def __init__(self, socket: socket.socket) -> None:
        self.socket = socket
        self._loop = asyncio.get_running_loop()
        self._read = bytearray()

    async def send(self, *parts: bytes) -> None:
        """Send as much as the server accepts; it may close in the middle."""
        with suppress(ConnectionError):
            for part in parts:
                await self._loop.sock_sendall(self.socket, part)

    async def rest(self) -> bytes:
        """Return everything received until the server closes."""
        while await self._more():
            pass
        return bytes(self._read)

    async def receives(self, what: bytes) -> bool:
        """Wait for `what`; return whether it came before the server closed."""
        while what not in self._read and await self._more():
            pass
        return what in self._read

    async def response(self) -> int:
        """Read one complete response with a content length; return its status."""
        while b"\r\n\r\n" not in self._read:
            assert await self._more(), "closed without a response"
        head, _, body = bytes(self._read).partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            assert await self._more(), "closed in the middle of a response"
            body = bytes(self._read).partition(b"\r\n\r\n")[2]
        del self._read[: len(head) + 4 + length]
        return int(head.split()[1])

    async def is_closed(self, within_s: float = 0.15) -> bool:
        """Whether the server closes within a while; to wait until it does, use `rest`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.rest()
                return True
        return False

    async def _more(self) -> bool:
        try:
            part = await self._loop.sock_recv(self.socket, 65_536)
        except ConnectionError:
            return False
        self._read += part
        return bool(part)


@asynccontextmanager
async def connections(bench: Bench, count: int = 1) -> AsyncGenerator[list[Connection]]:
    """Open connections one after the other, each accepted by the server before the next."""
    with ExitStack() as stack:
        opened: list[Connection] = []
        for _ in range(count):
            connection = stack.enter_context(socket.socket())
            connection.setblocking(False)
            before = bench.accepted
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", bench.port))
            while bench.accepted == before:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0)  # each turn of the loop lets the server accept
            opened.append(Connection(connection))
        yield opened


@asynccontextmanager
async def asking(bench: Bench, path: str, count: int) -> AsyncGenerator[list[Connection]]:
    """Open connections one after the other, each with a request that has reached the application."""
    async with AsyncExitStack() as stack:
        opened: list[Connection] = []
        for _ in range(count):
            (connection,) = await stack.enter_async_context(connections(bench))
            before = bench.called
            await connection.send(get(path))
            while bench.called == before:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0)
            opened.append(connection)
        yield opened


def get(path: str = "/health", *headers: str) -> bytes:
    """Return a request."""
    return "\r\n".join((f"GET {path} HTTP/1.1", "host: 127.0.0.1", *headers, "", "")).encode()


CHUNKED = b"POST /body HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n"
