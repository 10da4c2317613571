"""A light HTTP/1.1 client for load: one connection, one exchange at a time, no more than servers here respond with."""

import asyncio
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

LIMIT_S: Final = 60.0
LARGEST: Final = 1 << 22
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_CHUNKED: Final = re.compile(rb"(?i)\r\ntransfer-encoding: *chunked")


class Response(NamedTuple):
    """A response that was read to its end, or to its head if it is a stream."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the value of a header."""
        found = re.search(rb"(?i)\r\n%s: *([^\r\n]*)" % name.encode(), self.head)
        return found[1].decode() if found else None


class Connection:
    """A connection to a server on loopback."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._port = port
        self._about = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def renew(self) -> None:
        """Connect, or connect again: a server may have closed an idle connection."""
        self.close()
        self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=LARGEST)

    def close(self) -> None:
        """Close the connection."""
        if self._streams:
            self._streams[1].close()

    async def exchange(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = {}) -> Response:
        """Send a request and read the response to its end. Raises: RuntimeError: its status is an error."""
        async with asyncio.timeout(LIMIT_S):
            head = await self.begin(method, path, body, headers)
            response = Response(int(head[9:12]), head, await self._body(head))
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {response.body[:500]!r}")
        return response

    async def begin(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Send a request; return the head of the response."""
        if self._streams is None:
            await self.renew()
        reader, writer = self._connected
        about = self._about + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n{about}{length}\r\n".encode() + body)
        return await reader.readuntil(b"\r\n\r\n")

    async def chunk(self) -> bytes:
        """Return the next chunk of the response; nothing after the last."""
        reader = self._connected[0]
        size = int(await reader.readuntil(b"\r\n"), 16)
        return (await reader.readexactly(size + 2))[:-2]

    async def _body(self, head: bytes) -> bytes:
        if length := _LENGTH.search(head):
            return await self._connected[0].readexactly(int(length[1]))
        if not _CHUNKED.search(head):
            return b""
        chunks = []
        while chunk := await self.chunk():
            chunks.append(chunk)
        return b"".join(chunks)

    @property
    def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        assert self._streams is not None, "renew() comes first"
        return self._streams
