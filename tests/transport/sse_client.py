"""A small client for tests: parses events like a browser, and uses HTTP+SSE over real sockets."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2

Parsed = tuple[str, str | None, bytes]


def parse_events(stream: bytes) -> list[Parsed]:
    """Return (name, id, data) of each event that `stream` dispatches."""
    parsed: list[Parsed] = []
    name = b""
    event_id: str | None = None
    data: list[bytes] = []
    for line in stream.split(b"\n"):
        if not line:
            if data:
                parsed.append((name.decode() or "message", event_id, b"\n".join(data)))
            name, data = b"", []
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            name = value
        elif field == b"data":
            data.append(value)
        elif field == b"id":
            event_id = value.decode()
    return parsed


class SseClient:
    """One session over HTTP+SSE. `answers` returns every response to an id that has arrived.

    Like the TypeScript client, it responds to a ping that comes before `endpoint` at its previous endpoint, unless
    `answers_pings` is False.
    """

    responds_to_pings = True

    def __init__(self, http: httpx2.AsyncClient, headers: Mapping[str, str]) -> None:
        self.http = http
        self.headers = dict(headers)
        self.endpoint = ""
        self.retry_ms = 0
        self.comments = 0
        self.last_event_id: str | None = None
        self.endpoints: list[str] = []
        self.received: list[dict[str, Any]] = []
        self.ended = asyncio.Event()
        self._news = asyncio.Condition()
        self._ids = itertools.count(1)
        self._pongs: list[asyncio.Task[None]] = []

    async def read(self, response: httpx2.Response) -> None:
        """Read events until the stream ends."""
        name = ""
        try:
            async for line in response.aiter_lines():
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("id: "):
                    self.last_event_id = line[4:]
                elif line.startswith("retry: "):
                    self.retry_ms = int(line[7:])
                elif line.startswith(":"):
                    await self._tell(comments=1)
                elif line.startswith("data: ") and name == "endpoint":
                    self.endpoints.append(line[6:])
                    self.endpoint = line[6:]
                    await self._tell()
                elif line.startswith("data: "):
                    message = json.loads(line[6:])
                    self.received.append(message)
                    if (
                        message.get("method") == "ping"
                        and not self.endpoint
                        and self.endpoints
                        and self.responds_to_pings
                    ):
                        self._pongs.append(asyncio.create_task(self._respond_to_ping(message["id"])))
                    await self._tell()
        except httpx2.TransportError:
            pass
        finally:
            self.ended.set()
            await self._tell()

    async def _respond_to_ping(self, ping: str) -> None:
        """Respond at the previous endpoint; the outcome is ignored."""
        address = self.http.base_url.join(self.endpoints[-1])
        said = {"jsonrpc": "2.0", "id": ping, "result": {}}
        with contextlib.suppress(httpx2.TransportError):
            await self.http.post(address, json=said, headers=self.headers)

    async def _tell(self, comments: int = 0) -> None:
        async with self._news:
            self.comments += comments
            self._news.notify_all()

    async def until(self, done: Any, seconds: float = 30) -> None:
        """Wait until `done()` is true."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(done)

    def responses(self, request_id: Any) -> list[dict[str, Any]]:
        """Return every response to `request_id` that has arrived."""
        return [one for one in self.received if one.get("id") == request_id and "method" not in one]

    async def response(self, request_id: Any) -> dict[str, Any]:
        """Wait for the response to `request_id`."""
        await self.until(lambda: self.responses(request_id))
        return self.responses(request_id)[0]

    async def post(self, message: Any, **headers: str) -> httpx2.Response:
        """Send one message (or batch) unchanged."""
        address = self.http.base_url.join(self.endpoint)
        return await self.http.post(address, json=message, headers={**self.headers, **headers})

    async def request(self, method: str, params: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """Send a request and wait for its response."""
        message = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, **more}
        if params is not None:
            message["params"] = params
        response = await self.post(message)
        assert response.status_code == 202, response.text
        return await self.response(message["id"])

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its result."""
        response = await self.request("tools/call", {"name": tool, "arguments": arguments})
        return dict(response["result"])

    async def initialize(self, version: str = "2025-11-25") -> dict[str, Any]:
        """Do the handshake."""
        response = await self.request("initialize", initialize_params(version))
        posted = await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert posted.status_code == 202
        return response


def initialize_params(version: str = "2025-11-25") -> dict[str, Any]:
    """Return the parameters of `initialize`."""
    return {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}


@asynccontextmanager
async def sse_session(
    base_url: str, headers: Mapping[str, str], *, initialize: bool = True
) -> AsyncGenerator[SseClient]:
    """Open a stream and, by default, initialize."""
    async with httpx2.AsyncClient(base_url=base_url, timeout=20) as http:
        client = SseClient(http, headers)
        async with open_stream(client):
            if initialize:
                await client.initialize()
            yield client


@asynccontextmanager
async def open_stream(client: SseClient, headers: Mapping[str, str] | None = None) -> AsyncGenerator[httpx2.Response]:
    """Open one more GET for `client` and read it in the background inside the block."""
    client.endpoint = ""
    client.ended.clear()
    async with client.http.stream("GET", "/sse", headers={**client.headers, **(headers or {})}) as response:
        assert response.status_code == 200, await response.aread()
        reader = asyncio.create_task(client.read(response))
        try:
            await client.until(lambda: client.endpoint or client.ended.is_set())
            yield response
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
