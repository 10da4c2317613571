"""HTTP by hand, one connection per request: for requests that no ordinary client would send, or stop sending.

A response with a length is read immediately; a stream is read in the background, event by event, until it ends or is
cut.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from tests.transport.sse_client import Parsed, parse_events

RESPONSE_S: Final = 15.0
"""Seconds within which every request gets the head of its response, however busy the server is."""
Headers = Sequence[tuple[str, str]]


class Exchange:
    """One request and its response."""

    def __init__(self, heard: Callable[["Exchange", Parsed], None]) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.is_complete = False
        """Whether the server completed its response, and neither side cut it."""
        self.is_left = False
        """Whether this side disconnected."""
        self.ended = asyncio.Event()
        self._heard = heard
        self._reading: asyncio.Task[None] | None = None

    @property
    def is_stream(self) -> bool:
        """Whether the response is an event stream."""
        return self.headers.get("content-type", "").startswith("text/event-stream")

    def json(self) -> Any:
        """Return the body. Raises: ValueError."""
        return json.loads(self.body)

    async def send(self, url: str, method: str, target: str, headers: Headers, body: bytes | None) -> None:
        """Send a request and read its response; of a stream, only the head."""
        await self._connect(url)
        lengths = [("Content-Length", str(len(body)))] if body is not None else []
        self._writer.write(head(method, target, [*headers, *lengths]) + (body or b""))
        async with asyncio.timeout(RESPONSE_S):
            await self._read_head()
            if not self.is_stream:
                self.body = await self._reader.readexactly(int(self.headers.get("content-length", "0")))
                self.is_complete = True
        if self.is_stream:
            self._reading = asyncio.create_task(self._read_events())
        else:
            self._close()

    async def send_half(self, url: str, method: str, target: str, headers: Headers, body: bytes) -> None:
        """Announce a body, send half of it, and disconnect."""
        await self._connect(url)
        self._writer.write(head(method, target, [*headers, ("Content-Length", str(len(body)))]))
        self._writer.write(body[: len(body) // 2])
        await self._writer.drain()
        self._close()

    async def leave(self) -> None:
        """Cut the connection, like a client that crashes."""
        self.is_left = True
        self._writer.transport.abort()
        if self._reading is not None:
            await self._reading

    async def _connect(self, url: str) -> None:
        where = urlsplit(url)
        self._reader, self._writer = await asyncio.open_connection(where.hostname, where.port)

    async def _read_head(self) -> None:
        first, *fields = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        self.status = int(first.split(" ")[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}

    async def _read_events(self) -> None:
        unread = b""
        try:
            while size := int(await self._reader.readline(), 16):
                unread += (await self._reader.readexactly(size + 2))[:-2]
                *whole, unread = unread.split(b"\n\n")
                for event in parse_events(b"".join(one + b"\n\n" for one in whole)):
                    self._heard(self, event)
            self.is_complete = True
        except (OSError, ValueError, asyncio.IncompleteReadError):
            pass  # cut by either side
        finally:
            self._close()
            self.ended.set()

    def _close(self) -> None:
        self._writer.close()


def head(method: str, target: str, headers: Headers) -> bytes:
    """Return the head of a request, with the values unchanged."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{method} {target} HTTP/1.1\r\n{fields}\r\n".encode("latin-1")
