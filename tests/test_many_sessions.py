"""Two hundred sessions at once on one process: every call gets one response, in its own session.

All sessions use the same request ids, so a misdirected response would be found twice or with another session's value.
The clients are as light as possible, because they share the machine with the server.
"""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.processes import KEY, http_door
from tests.transport.sse_client import initialize_params

SESSIONS: Final = 200
LIMITS: Final = ("READS", "WRITES", "TENANT_READS", "TENANT_WRITES")
ROOM: Final = {f"MCP_{limit}_PER_MINUTE": "1000000" for limit in LIMITS}
"""All sessions use one key, and call more often than one principal may."""
CALLS: Final = 10
WAVE: Final = 20
"""Sessions that do slow work at the same time; the server has two processors and one file."""
LIMIT_S: Final = 100.0


class Session:
    """One session: one connection that is read all the time, one for messages. Both plain HTTP/1.1."""

    def __init__(self, name: str, address: httpx2.URL) -> None:
        self.name = name
        self.responses: dict[int, list[dict[str, Any]]] = {}
        self._head = f"Host: {address.netloc.decode()}\r\nx-api-key: {KEY}\r\n"
        self._where = (address.host, address.port)
        self._arrived = asyncio.Condition()
        self._endpoint = ""

    async def open(self) -> None:
        """Connect and initialize."""
        self._stream, self._stream_writer = await asyncio.open_connection(*self._where)
        self._posts, self._post_writer = await asyncio.open_connection(*self._where)
        self._stream_writer.write(f"GET /sse HTTP/1.1\r\n{self._head}\r\n".encode())
        head = await self._stream.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        self._reading = asyncio.create_task(self._read())
        async with self._arrived:
            await self._arrived.wait_for(lambda: self._endpoint)
        await self.request(0, "initialize", initialize_params())
        await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def close(self) -> None:
        """Leave."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        for writer in (self._stream_writer, self._post_writer):
            writer.close()
            await writer.wait_closed()

    async def _read(self) -> None:
        """Read chunks, and from them whole events."""
        while size := int(await self._stream.readline(), 16):
            chunk = await self._stream.readexactly(size + 2)
            async with self._arrived:
                for event in chunk.strip().split(b"\n\n"):
                    self._take(dict(line.split(b": ", 1) for line in event.split(b"\n") if b": " in line))
                self._arrived.notify_all()

    def _take(self, event: dict[bytes, bytes]) -> None:
        if event.get(b"event") == b"endpoint":
            self._endpoint = event[b"data"].decode()
        elif b"data" in event:
            response = json.loads(event[b"data"])
            self.responses.setdefault(response["id"], []).append(response)

    async def post(self, message: dict[str, Any]) -> None:
        """Send one message."""
        body = json.dumps(message)
        about = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self._post_writer.write(f"POST {self._endpoint} HTTP/1.1\r\n{self._head}{about}\r\n{body}".encode())
        head = await self._posts.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 202"), head
        await self._posts.readexactly(len("Accepted"))

    async def request(self, number: int, method: str, params: dict[str, Any]) -> None:
        """Send a request and wait for its response."""
        await self.post({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        async with self._arrived:
            await self._arrived.wait_for(lambda: number in self.responses)

    async def call_lightly(self) -> None:
        """Make all calls but one at full speed; they are invalid, so that they do not reach the ticket API."""
        for number in range(1, CALLS):
            await self._call(number, "get_accounts", {self.value(number): 0})

    async def call_through(self) -> None:
        """Make the last call, to which the ticket API responds."""
        await self._call(CALLS, "get_ticket_detail", {"ticketId": self.value(CALLS)})

    async def _call(self, number: int, tool: str, arguments: dict[str, Any]) -> None:
        await self.request(number, "tools/call", {"name": tool, "arguments": arguments})

    def value(self, number: int) -> str:
        """Return an argument that no other call sends."""
        return f"{self.name}-{number}-"


async def in_waves(sessions: list[Session], do: Callable[[Session], Awaitable[None]]) -> None:
    for start in range(0, len(sessions), WAVE):
        await asyncio.gather(*map(do, sessions[start : start + WAVE]))


@pytest.mark.long
async def test_every_call_of_two_hundred_sessions_is_answered_once_in_its_own_session(tmp_path: Path) -> None:
    cpu_before = os.times()
    with http_door(tmp_path, **ROOM) as (address, _):
        sessions = [Session(f"s{number}", httpx2.URL(address)) for number in range(SESSIONS)]
        async with asyncio.timeout(LIMIT_S):
            await in_waves(sessions, Session.open)
            started = time.monotonic()
            await asyncio.gather(*(session.call_lightly() for session in sessions))
            took = time.monotonic() - started
            await in_waves(sessions, Session.call_through)
            await asyncio.gather(*(session.close() for session in sessions))
    cpu_after = os.times()

    cpu = cpu_after.children_user + cpu_after.children_system - cpu_before.children_user - cpu_before.children_system
    rate = SESSIONS * (CALLS - 1) / took
    print(f"{rate:.0f} calls/s in {took:.1f} s; CPU of the server, start included: {cpu:.1f} s")
    for session in sessions:
        responded = {number: len(responses) for number, responses in session.responses.items()}
        assert responded == dict.fromkeys(range(CALLS + 1), 1)
        for number in range(1, CALLS + 1):
            assert session.value(number) in session.responses[number][0]["result"]["content"][0]["text"]
