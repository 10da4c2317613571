"""A TCP proxy on loopback, like a load balancer: each new connection goes to the next backend that accepts it.

It breaks connections on command: cuts them, or first swallows the server's last bytes, like a network that is already
dead while the server still writes. It knows bytes and ports, and of HTTP+SSE how messages begin, and `retry:`.
"""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

CHUNK: Final = 64 * 1024
CONNECT_S: Final = 5.0
WAIT_S: Final = 30.0
MESSAGE: Final = b"data: {"
_RESET: Final = struct.pack("ii", 1, 0)
_RETRY: Final = re.compile(rb"^retry: (\d+)$", re.MULTILINE)


class _Link:
    """A client's connection and the backend's connection behind it."""

    def __init__(self, client: asyncio.StreamWriter, backend: asyncio.StreamWriter) -> None:
        self.client = client
        self.backend = backend
        self.streams = False
        self.swallows: int | None = None

    def cut(self) -> None:
        """Reset both connections: unread data is lost."""
        for writer in (self.client, self.backend):
            with contextlib.suppress(OSError, AttributeError):  # already closed
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    def kept(self, data: bytes) -> bytes:
        """Return what remains of `data` after swallowing."""
        if self.swallows is None:
            return data
        self.swallows -= len(data)
        return b""


class Proxy:
    """Forwards to `ports` of loopback, round-robin.

    Args:
        ports: of the backends; one that refuses is skipped.
        retry_ms: replaces the server's `retry:`, for tests that reconnect very often.
    """

    def __init__(self, ports: Sequence[int], *, retry_ms: int | None = None) -> None:
        self.address = ""
        self.streams_opened = 0
        """Event streams that have begun so far."""
        self.resumed_at: list[int] = []
        """For each GET with `Last-Event-ID` over Streamable HTTP: the port of the backend that received it."""
        self._ring = list(ports)
        self._retired: set[int] = set()
        self._retry_ms = retry_ms
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._swallowed = 0
        self._news = asyncio.Condition()

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Listen inside the block; leaving it cuts everything."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()
            self.cut()
            while self._tasks:  # they end by themselves; asyncio would report cancelled ones
                await asyncio.wait(tuple(self._tasks))
                self.cut()

    def retire(self, port: int) -> None:
        """Send this backend no new connections, as a platform does before ending it."""
        self._retired.add(port)

    def readmit(self, port: int) -> None:
        """Send connections to it again."""
        self._retired.discard(port)

    def cut(self) -> int:
        """Cut every connection; return how many."""
        links = tuple(self._links)
        for link in links:
            link.cut()
        return len(links)

    def swallow(self, limit: int) -> None:
        """From now on lose what backends send over existing connections; cut each after `limit` bytes."""
        self._swallowed = 0
        for link in self._links:
            link.swallows = limit

    async def until_swallowed(self, events: int) -> None:
        """Wait until that many chunks with messages were lost."""
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: self._swallowed >= events)

    async def until_resumed(self) -> None:
        """Wait until a client has resumed a stream."""
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: self.resumed_at)

    async def opening(self, client: asyncio.StreamReader) -> bytes:
        """Return what the backend receives first on a new connection; subclasses may read from `client` for it."""
        return b""

    async def until_streaming(self, streams: int) -> None:
        """Wait until that many event streams are open at the same time."""
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: sum(link.streams for link in self._links) >= streams)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        link: _Link | None = None
        try:
            found = await self._connect()
            link = _Link(client, found[1]) if found is not None else None
            if found is not None and link is not None:
                self._links.add(link)
                await self._forward(link, reader, found[0])
        finally:
            self._tasks.discard(task)
            if link is not None:
                self._links.discard(link)
                link.backend.close()
            client.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Return a connection to the next backend that accepts one; None if none does."""
        for _ in range(len(self._ring)):
            self._ring.append(port := self._ring.pop(0))
            if port not in self._retired:
                with contextlib.suppress(OSError, TimeoutError):
                    async with asyncio.timeout(CONNECT_S):
                        return await asyncio.open_connection("127.0.0.1", port)
        return None

    async def _forward(self, link: _Link, client: asyncio.StreamReader, backend: asyncio.StreamReader) -> None:
        """Forward until either side ends."""
        up, down = asyncio.create_task(self._up(link, client)), asyncio.create_task(self._down(link, backend))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _up(self, link: _Link, client: asyncio.StreamReader) -> None:
        link.backend.write(await self.opening(client))
        while data := await client.read(CHUNK):
            if data.startswith(b"GET /sse"):
                link.streams = True
                await self._note(opened=1)
            elif data.startswith(b"GET /mcp") and b"\r\nlast-event-id:" in data.lower():
                await self._note(resumed_at=link.backend.get_extra_info("peername")[1])
            link.backend.write(data)
            await link.backend.drain()

    async def _down(self, link: _Link, backend: asyncio.StreamReader) -> None:
        while data := await backend.read(CHUNK):
            if self._retry_ms is not None:
                data = _RETRY.sub(self._hurried, data)
            if link.swallows is not None and link.streams and MESSAGE in data:
                await self._note(swallowed=1)
            link.client.write(link.kept(data))
            if link.swallows is not None and link.swallows <= 0:
                link.cut()
                return
            await link.client.drain()

    def _hurried(self, retry: "re.Match[bytes]") -> bytes:
        """Return the field with its old length, which the chunk around it has announced."""
        return f"retry: {self._retry_ms:0{len(retry[1])}d}".encode()

    async def _note(self, *, opened: int = 0, swallowed: int = 0, resumed_at: int | None = None) -> None:
        async with self._news:
            self.resumed_at += [] if resumed_at is None else [resumed_at]
            self.streams_opened += opened
            self._swallowed += swallowed
            self._news.notify_all()
