"""A small client for tests of Streamable HTTP: any revision; streams are read as they arrive, cut and resumed."""

import asyncio
import copy
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2

from tests.transport.sse_client import initialize_params

ACCEPT = {"accept": "application/json, text/event-stream"}
JSON = {"content-type": "application/json"}
MODERN = "2026-07-28"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}

Message = dict[str, Any]


class HTTPResponse:
    """One HTTP response, read as it arrives: a stream of events, or JSON, or nothing."""

    def __init__(self, response: httpx2.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.is_stream = self.headers.get("content-type", "").startswith("text/event-stream")
        self.body = b""
        """The body as received, unless it is a stream."""
        self.received: list[Message] = []
        self.ids: list[str | None] = []
        """The id of each event; that of an event without data is in `primed` instead."""
        self.primed: list[str] = []
        self.last_event_id = ""
        self.retry_ms = 0
        self.comments = 0
        self.ended = asyncio.Event()
        """It has arrived completely."""
        self.broke = False
        """It was cut before it was complete."""
        self._news = asyncio.Condition()

    async def read(self, response: httpx2.Response) -> None:
        """Read it until it ends."""
        try:
            if self.is_stream:
                await self._read_events(response)
            else:
                self.body = await response.aread()
                self.received += [json.loads(self.body)] if self.body else []
        except httpx2.TransportError:
            self.broke = True
        finally:
            self.ended.set()
            await self._tell()

    async def _read_events(self, response: httpx2.Response) -> None:
        event_id: str | None = None
        async for line in response.aiter_lines():
            field, _, value = line.partition(": ")
            if field == "id":
                event_id = self.last_event_id = value
            elif field == "retry":
                self.retry_ms = int(value)
            elif field == ":":
                self.comments += 1
            elif field == "data" and value:
                self.received.append(json.loads(value))
                self.ids.append(event_id)
            elif field == "data":
                assert not self.received, "an event without data comes first or not at all"
                self.primed.append(event_id or "")
            elif not line:
                event_id = None
            await self._tell()

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def until(self, done: Callable[[], object], seconds: float = 10) -> None:
        """Wait until `done()` is true."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(done)

    async def end(self) -> None:
        """Wait until it ends cleanly."""
        async with asyncio.timeout(10):
            await self.ended.wait()
        assert not self.broke, "the connection was cut"

    def responses(self, request: Any) -> list[Message]:
        """Return every response to a request that has arrived."""
        return [one for one in self.received if one.get("id") == request and "method" not in one]

    async def response(self, request: Any) -> Message:
        """Wait for the response to a request."""
        await self.until(lambda: self.responses(request) or self.ended.is_set())
        assert self.responses(request), f"no response to {request!r} among {self.received}"
        return self.responses(request)[0]

    async def said(self, method: str) -> Message:
        """Wait for a notification or a request of the server."""

        def found() -> list[Message]:
            return [one for one in self.received if one.get("method") == method]

        await self.until(found)
        return found()[0]

    @property
    def kind(self) -> str:
        """Why it was refused, in machine-readable form."""
        return str(self.received[0]["error"]["data"]["kind"])


class HttpClient:
    """A client with one session, or none as in 2026-07-28."""

    def __init__(self, http: httpx2.AsyncClient, url: str, headers: Mapping[str, str]) -> None:
        self._http = http
        self.url = url
        self.headers = dict(headers)
        self.session = ""

    def at(self, url: str) -> "HttpClient":
        """Return the same client, with the same session, addressing another instance."""
        return self._but(url=url)

    def who(self, headers: Mapping[str, str]) -> "HttpClient":
        """Return the same client with these headers added or replaced, for example another caller's key."""
        return self._but(headers={**self.headers, **headers})

    def _but(self, **changed: Any) -> "HttpClient":
        other = copy.copy(self)
        vars(other).update(changed)
        return other

    @asynccontextmanager
    async def send(
        self, method: str, headers: Mapping[str, str], content: bytes = b"", path: str = "/mcp"
    ) -> AsyncGenerator[HTTPResponse]:
        """Send any request, and read its response in the background inside the block; leaving the block cuts it.

        Args:
            method: of HTTP.
            headers: added to those of every request, or replacing them; empty ones are left out.
            content: the body.
            path: of the endpoint.
        """
        sent = {name: value for name, value in {**ACCEPT, **self.headers, **headers}.items() if value}
        async with self._http.stream(method, f"{self.url}{path}", content=content, headers=sent) as response:
            received = HTTPResponse(response)
            reader = asyncio.create_task(received.read(response))
            try:
                yield received
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)

    def stream(self, message: Any, path: str = "/mcp", **headers: str) -> AbstractAsyncContextManager[HTTPResponse]:
        """Post a message, or several as a batch, and read the response as it arrives."""
        body = json.dumps(message).encode()
        return self.send("POST", JSON | headers, body, path)

    def listen(self, last_event_id: str = "", **headers: str) -> AbstractAsyncContextManager[HTTPResponse]:
        """Open the standalone stream, or resume the stream to which an event belongs."""
        return self.send("GET", {"last-event-id": last_event_id} | headers)

    async def post(self, message: Any, path: str = "/mcp", **headers: str) -> HTTPResponse:
        """Post a message and read the whole response."""
        async with self.stream(message, path, **headers) as response:
            await response.end()
            return response

    async def get(self, last_event_id: str = "", **headers: str) -> HTTPResponse:
        """Read a stream to its end, or the reason for its refusal."""
        async with self.listen(last_event_id, **headers) as response:
            await response.end()
            return response

    async def delete(self) -> HTTPResponse:
        """End the session."""
        async with self.send("DELETE", {}) as response:
            await response.end()
            return response

    async def initialize(self, version: str = "2025-11-25", **capabilities: Any) -> HTTPResponse:
        """Do the handshake; return the response to its first half."""
        response = await self.post(opening(version, **capabilities))
        assert response.status == 200, response.received
        self.belong_to(response.headers["mcp-session-id"], version)
        assert (await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})).status == 202
        return response

    def belong_to(self, session: str, version: str = "2025-11-25") -> None:
        """Send the headers of a session from now on."""
        self.session = session
        self.headers |= {"mcp-session-id": session}
        if version != "2025-03-26":  # it has no such header
            self.headers |= {"mcp-protocol-version": version}

    async def call(self, request: Any, tool: str, **arguments: Any) -> str:
        """Call a tool and return its text."""
        response = await self.post(call(request, tool, **arguments))
        return text_of(response.responses(request)[0])


def opening(version: str = "2025-11-25", **capabilities: Any) -> Message:
    """Return an `initialize` request."""
    params = initialize_params(version) | {"capabilities": capabilities}
    return {"jsonrpc": "2.0", "id": "opening", "method": "initialize", "params": params}


def call(request: Any, tool: str, meta: dict[str, Any] | None = None, **arguments: Any) -> Message:
    """Return a call of a tool."""
    params = {"name": tool, "arguments": arguments} | ({} if meta is None else {"_meta": meta})
    return {"jsonrpc": "2.0", "id": request, "method": "tools/call", "params": params}


def cancelled(request: Any) -> Message:
    """Return the notification that cancels a call."""
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request}}


def text_of(response: Message) -> str:
    """Return the text of a tool's result."""
    return str(response["result"]["content"][0]["text"])


def number_of(event_id: str | None) -> int:
    """Return the number in the id of an event."""
    assert event_id is not None
    return int(event_id.rpartition(":")[2])


@asynccontextmanager
async def http_client(
    url: str, headers: Mapping[str, str], version: str | None = "2025-11-25", **capabilities: Any
) -> AsyncGenerator[HttpClient]:
    """Connect and, unless `version` is None, initialize."""
    async with httpx2.AsyncClient(timeout=20) as http:
        client = HttpClient(http, url, headers)
        if version is not None:
            await client.initialize(version, **capabilities)
        yield client
