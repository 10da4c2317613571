"""The wires of MCP as a client for load speaks them: HTTP+SSE, and Streamable HTTP with and without a session."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Protocol

from bench.http import LIMIT_S, Connection, Response

JSON: Final = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"
CLIENT: Final = {"name": "bench", "version": "1"}
ENVELOPE: Final = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Wire(Protocol):
    """One client of one server."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None: ...

    async def open(self) -> None:
        """Open a session, if the wire has any."""

    async def renew(self) -> None:
        """Make a new connection for requests; the session stays."""

    async def request(self, method: str, params: Mapping[str, Any]) -> bytes:
        """Send a request and return what came with the response."""

    def close(self) -> None:
        """Close the connections."""


def _request(number: int, method: str, params: Mapping[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()


def initialize(revision: str) -> bytes:
    """Return the message that opens a session."""
    return _request(0, "initialize", _opening(revision))


def _opening(revision: str) -> dict[str, Any]:
    return {"protocolVersion": revision, "capabilities": {}, "clientInfo": CLIENT}


INITIALIZED: Final = b'{"jsonrpc": "2.0", "method": "notifications/initialized"}'


class SSE:
    """HTTP+SSE: a stream for responses, and a connection for requests."""

    revision: ClassVar = "2024-11-05"

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._stream = Connection(port, {**headers, "Accept": "text/event-stream"})
        self._posts = Connection(port, {**headers, **JSON})
        self._path = ""
        self._number = 0
        self._unread = b""

    async def open(self) -> None:
        """Open the stream and shake hands."""
        await self._stream.begin("GET", "/sse", b"", {})
        while b"event: endpoint" not in (event := await self._event()):
            pass
        self._path = event.partition(b"data: ")[2].decode().strip()
        await self.request("initialize", _opening(self.revision))
        await self._posts.exchange("POST", self._path, INITIALIZED)

    async def renew(self) -> None:
        """Make a new connection for requests."""
        await self._posts.renew()

    def rest(self) -> None:
        """Keep only what an idle session keeps: its stream."""
        self._posts.close()

    async def request(self, method: str, params: Mapping[str, Any]) -> bytes:
        """Send a request and return the event with its response."""
        self._number += 1
        await self._posts.exchange("POST", self._path, _request(self._number, method, params))
        async with asyncio.timeout(LIMIT_S):
            while json.loads(message := await self._message()).get("id") != self._number:
                pass
        return message

    async def _message(self) -> bytes:
        while True:
            event = await self._event()
            data = [line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")]
            if data and data[0].startswith(b"{"):
                return b"\n".join(data)

    async def _event(self) -> bytes:
        while b"\n\n" not in self._unread:
            chunk = await self._stream.chunk()
            if not chunk:
                raise RuntimeError("the stream has ended")
            self._unread += chunk.replace(b"\r\n", b"\n")
        event, _, self._unread = self._unread.partition(b"\n\n")
        return event

    def close(self) -> None:
        """Close both connections."""
        self._stream.close()
        self._posts.close()


class Session:
    """Streamable HTTP with a session: 2025-11-25."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._connection = Connection(port, {**headers, **JSON})
        self._session: dict[str, str] = {}
        self._number = 0

    async def open(self) -> None:
        """Shake hands."""
        response = await self._post("initialize", _opening(HANDSHAKE))
        self._session = {"MCP-Protocol-Version": HANDSHAKE}
        if session := response.header("mcp-session-id"):
            self._session["Mcp-Session-Id"] = session
        await self._connection.exchange("POST", "/mcp", INITIALIZED, self._session)

    async def renew(self) -> None:
        """Make a new connection."""
        await self._connection.renew()

    async def request(self, method: str, params: Mapping[str, Any]) -> bytes:
        """Send a request and return the body of its response."""
        return (await self._post(method, params)).body

    def rest(self) -> None:
        """Keep only what an idle session keeps: no connection."""
        self._connection.close()

    async def end(self) -> None:
        """End the session, if the server gave one."""
        if "Mcp-Session-Id" in self._session:
            await self._connection.exchange("DELETE", "/mcp", headers=self._session)
        self._session = {}

    async def _post(self, method: str, params: Mapping[str, Any]) -> Response:
        self._number += 1
        return await self._connection.exchange("POST", "/mcp", _request(self._number, method, params), self._session)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Stateless:
    """Streamable HTTP without sessions: 2026-07-28."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._connection = Connection(port, {**headers, **JSON, "MCP-Protocol-Version": STATELESS})
        self._number = 0

    async def open(self) -> None:
        """Nothing is opened."""

    async def renew(self) -> None:
        """Make a new connection."""
        await self._connection.renew()

    async def request(self, method: str, params: Mapping[str, Any]) -> bytes:
        """Send a request and return the body of its response."""
        self._number += 1
        body = _request(self._number, method, {**params, "_meta": ENVELOPE})
        about = {"Mcp-Method": method} | ({"Mcp-Name": params["name"]} if "name" in params else {})
        return (await self._connection.exchange("POST", "/mcp", body, about)).body

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
