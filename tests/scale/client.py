"""Measures responses of the ticket API over HTTP, with clients that cost little themselves."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit

LIMIT_S: Final = 30.0
Query = Mapping[str, Any]
"""Parameters of a list; a value may be a list of values."""


class Caller:
    """One connection, kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self._reader = reader
        self._writer = writer
        self._head = head

    @classmethod
    async def connect(cls, address: str, key: str) -> Self:
        """Connect to the API at `address`."""
        url = urlsplit(address)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        return cls(reader, writer, f"Host: {url.netloc}\r\nx-api-key: {key}\r\n")

    async def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request; return the status and the decoded body."""
        sent = b"" if body is None else json.dumps(body).encode()
        about = f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n" if sent else ""
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{self._head}{about}\r\n".encode() + sent)
        async with asyncio.timeout(LIMIT_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"(?i)content-length: (\d+)", head)
            assert length, head
            return int(head.split(" ", 2)[1]), json.loads(await self._reader.readexactly(int(length[1])))

    async def get(self, path: str) -> Any:
        """Return the body of a response that must be 200."""
        status, body = await self.send("GET", path)
        assert status == 200, f"{path}: {status} {body}"
        return body

    async def timed(self, path: str) -> float:
        """Return how long a response took, in ms."""
        begun = time.perf_counter()
        await self.get(path)
        return (time.perf_counter() - begun) * 1e3

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        await self._writer.wait_closed()


@asynccontextmanager
async def callers(address: str, key: str, count: int = 1) -> AsyncIterator[list[Caller]]:
    """Yield callers that are connected."""
    made = [await Caller.connect(address, key) for _ in range(count)]
    try:
        yield made
    finally:
        await asyncio.gather(*(caller.close() for caller in made))


def list_path(query: Query) -> str:
    """Return the path of a list of 20 tickets with totals."""
    return "/tickets?" + urlencode({"envelope": "true", **query}, doseq=True)


def statistics_path(query: Query) -> str:
    """Return the path of statistics."""
    return "/tickets/stats?" + urlencode(query, doseq=True)


def changes_path(query: Query) -> str:
    """Return the path of the longest page of changes."""
    return "/tickets/changes?" + urlencode({"limit": "200", **query})


def at(share: float, taken: Iterable[float]) -> float:
    """Return the value below which that share lies."""
    ordered = sorted(taken)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
