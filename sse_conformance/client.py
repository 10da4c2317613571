"""A small raw client for HTTP+SSE: it sends what a scenario specifies, valid or not, and keeps everything it receives.

It never initializes, responds or reconnects by itself. Every wait has a timeout, and credentials are sent only to the
origin of the given URL.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx2

from sse_conformance.parser import Parser, ServerSentEvent

MOST_BODY: Final = 100_000
MOST_EVENTS: Final = 20_000
MOST_BYTES: Final = 64 * 1024 * 1024
"""No more is read from one stream: a server that never stops must not fill the memory."""
Headers = Mapping[str, str | tuple[str, ...]]
"""Header values by name; a tuple is sent as several lines."""
T = TypeVar("T")


class NotConformingError(Exception):
    """The server did not behave as expected; the message says what it did."""


@dataclass(frozen=True, slots=True)
class Target:
    """The server under test, and the credentials for it."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    other_headers: Mapping[str, str] | None = None
    """Another user's credentials, if given."""
    timeout_s: float = 10.0
    """How long each step may take."""
    origins: tuple[str, ...] = ()
    """Origins that the server accepts, besides its own: those that resemble them are tried."""


@dataclass(frozen=True, slots=True)
class HTTPReply:
    """An HTTP response. The body is read of a refusal and of a POST: that of a stream would never end."""

    status: int
    headers: httpx2.Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A JSON-RPC message of the server, and the event that carried it."""

    value: dict[str, Any]
    event: ServerSentEvent


class ClientStream:
    """One GET and what it received. `messages` has those of JSON batches one by one."""

    def __init__(self, response: httpx2.Response, timeout_s: float) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.parser = Parser()
        self.messages: list[Message] = []
        self.ended = False
        self.may_read = asyncio.Event()
        """Cleared: nothing is read any more, as by a client that has stopped reading."""
        self.may_read.set()
        self._response = response
        self._timeout_s = timeout_s
        self._news = asyncio.Condition()
        self._problem = ""

    async def read(self) -> None:
        """Read until the stream ends, or has brought more than any client could want."""
        taken = 0
        try:
            async for chunk in self._response.aiter_bytes():
                await self.may_read.wait()
                known = len(self.parser.events)
                self.parser.feed(chunk)
                for event in self.parser.events[known:]:
                    self._take(event)
                taken += len(chunk)
                if taken > MOST_BYTES or len(self.parser.events) > MOST_EVENTS:
                    self._problem = f"The stream is endless: {len(self.parser.events):,} events in {taken:,} bytes."
                    break
                await self._signal()
        except httpx2.TransportError:
            pass  # the connection was cut, which also ends the stream
        finally:
            self.ended = True
            await self._signal()

    def _take(self, event: ServerSentEvent) -> None:
        if event.name != "message":
            return
        try:
            value = json.loads(event.data)
        except ValueError:
            self._problem = "A message event contained something that is not JSON."
            return
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                self.messages.append(Message(one, event))
            else:
                self._problem = "A message event contained JSON that is not an object."

    async def _signal(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def until(self, done: Callable[[], T], what: str, *, within_s: float | None = None) -> T:
        """Wait until `done()` is true and return it. Raises: NotConformingError, saying that `what` did not happen."""
        try:
            async with asyncio.timeout(within_s or self._timeout_s), self._news:
                await self._news.wait_for(lambda: done() or self._problem or self.ended)
        except TimeoutError:
            silent_s = within_s or self._timeout_s
            raise NotConformingError(f"{what[:1].upper()}{what[1:]} did not come within {silent_s:g} s.") from None
        if self._problem:
            raise NotConformingError(self._problem)
        if not (found := done()):
            raise NotConformingError(f"The stream ended before {what} came.")
        return found

    def named(self, name: str) -> list[ServerSentEvent]:
        """Return the events with that name."""
        return [event for event in self.parser.events if event.name == name]

    async def endpoint(self) -> str:
        """Wait for the first `endpoint` event and return its data."""
        return (await self.until(lambda: self.named("endpoint"), "an endpoint event"))[0].data

    async def end(self) -> None:
        """Wait for the end of the stream."""
        await self.until(lambda: self.ended, "the end of the stream")


_tls: Final = cache(httpx2.create_ssl_context)  # reading the certificates takes longer than most scenarios


class Client:
    """Sends single HTTP requests and opens streams and sessions; exiting it closes all of them."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        # No connection is kept: a server may close one after any response, and a request on its way then fails.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        # No timeout besides that of each step: which of two is reached first, and named, would be chance.
        http = httpx2.AsyncClient(timeout=None, limits=limits, verify=_tls())
        self._http = await self._stack.enter_async_context(http)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def at_the_end(self, close: Callable[[], Awaitable[None]]) -> None:
        """Call `close` when this client is closed."""
        self._stack.push_async_callback(close)

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        content: bytes | AsyncIterator[bytes] | None = None,
        headers: Headers | None = None,
        credentials: Mapping[str, str] | None = None,
    ) -> HTTPReply:
        """Send one request and return the response; `credentials` replace the target's own headers."""
        sent = {**(self.target.headers if credentials is None else credentials), **(headers or {})}
        lines = [(name, line) for name, value in sent.items() for line in lines_of(value)]
        try:
            async with (
                asyncio.timeout(self.target.timeout_s),
                self._http.stream(method, url, content=content, headers=lines) as response,
            ):
                has_end = response.status_code >= 400 or (method == "POST" and not _is_stream(response))
                return HTTPReply(response.status_code, response.headers, await _body(response) if has_end else b"")
        except TimeoutError:
            raise NotConformingError(f"A {method} was not answered within {self.target.timeout_s:g} s.") from None

    async def get(self, *, headers: Headers | None = None) -> HTTPReply:
        """Send a GET to the SSE endpoint and close it as soon as its status is known."""
        return await self.exchange("GET", self.target.url, headers={"accept": "text/event-stream", **(headers or {})})

    @asynccontextmanager
    async def stream(
        self, headers: Mapping[str, str] | None = None, *, credentials: Mapping[str, str] | None = None
    ) -> AsyncGenerator[ClientStream]:
        """Open a stream and read it in the background. Raises: NotConformingError unless the status is 200."""
        sent = {**(self.target.headers if credentials is None else credentials), **(headers or {})}
        request = self._http.build_request("GET", self.target.url, headers={"accept": "text/event-stream", **sent})
        try:
            async with asyncio.timeout(self.target.timeout_s):
                response = await self._http.send(request, stream=True)
        except TimeoutError:
            raise NotConformingError(f"A GET was not answered within {self.target.timeout_s:g} s.") from None
        try:
            if response.status_code != 200:
                raise NotConformingError(f"A GET on the SSE endpoint was answered {response.status_code}, not 200.")
            stream = ClientStream(response, self.target.timeout_s)
            reader = asyncio.create_task(stream.read())
            try:
                yield stream
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
        finally:
            await response.aclose()

    def address(self, endpoint: str) -> str:
        """Return the URL in an `endpoint` event. Raises: NotConformingError if it has another origin."""
        ours = httpx2.URL(self.target.url)
        try:
            url = ours.join(endpoint)
        except httpx2.InvalidURL:
            raise NotConformingError("The endpoint event has no URI.") from None
        if (url.scheme, url.host, url.port) != (ours.scheme, ours.host, ours.port):
            raise NotConformingError("The endpoint has another origin: clients refuse it, and so does this suite.")
        return str(url)


def lines_of(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the lines in which a header value is sent."""
    return (value,) if isinstance(value, str) else value


def _is_stream(response: httpx2.Response) -> bool:
    media: str = response.headers.get("content-type", "")
    return media.lower().startswith("text/event-stream")


async def _body(response: httpx2.Response) -> bytes:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= MOST_BODY:
            break
    return body[:MOST_BODY]
