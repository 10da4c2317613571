"""A real server on loopback with prescribed misbehaviour, one behaviour per request."""

import asyncio
import socket
import struct
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

GUARD_S = 20.0
"""Seconds; no test takes this long unless it hangs."""

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[bool]]
"""What happens after a request was read; returns whether the connection stays open."""


class Server:
    """A server on loopback with prescribed behaviours: one per request, the last one for all further requests."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self._behaviours = deque(behaviours)
        self._changed = asyncio.Condition()
        self.requests: list[str] = []
        self.connections = 0
        self.ended = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        while await self._read_request(reader):
            behave = self._behaviours.popleft() if len(self._behaviours) > 1 else self._behaviours[0]
            if not await behave(writer):
                break

    async def end(self) -> None:
        """Record that a connection was closed."""
        async with self._changed:
            self.ended += 1
            self._changed.notify_all()

    async def _read_request(self, reader: asyncio.StreamReader) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        except asyncio.IncompleteReadError:
            return False
        length = next((line.split(":")[1] for line in head.splitlines() if line.startswith("content-length:")), "0")
        await reader.readexactly(int(length))
        async with self._changed:
            self.requests.append(head.split()[0].upper())
            self._changed.notify_all()
        return True

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; it is checked on each request and each closed connection."""
        async with self._changed:
            await self._changed.wait_for(condition)


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, ended: Callable[[], Awaitable[None]] | None = None) -> AsyncIterator[int]:
    """Pass every connection to `serve`, then close it; yield the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass  # the client disconnected first
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
            if ended is not None:
                await ended()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(handle(reader, writer)))

    with anyio.fail_after(GUARD_S):
        listener = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=256)
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def serving(*behaviours: Behaviour) -> AsyncIterator[Server]:
    """Run a server with `behaviours`."""
    server = Server(*behaviours)
    async with listening(server.serve, server.end) as port:
        server.url = f"http://127.0.0.1:{port}"
        yield server


def response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def sends(raw: bytes, *, then_open: bool) -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> bool:
        writer.write(raw)
        await writer.drain()
        return then_open

    return behave


async def stalls(_: asyncio.StreamWriter) -> bool:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def sends_and_stalls(raw: bytes) -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> bool:
        await sends(raw, then_open=True)(writer)
        return await stalls(writer)

    return behave


async def resets(writer: asyncio.StreamWriter) -> bool:
    """Close so that the kernel sends RST."""
    linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
    return False


def trickles(head: bytes) -> Behaviour:
    """Send `head`, then a byte every 20 ms without end: each one resets a read timeout."""

    async def behave(writer: asyncio.StreamWriter) -> bool:
        writer.write(head)
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    return behave
