"""Our own transport with one fault planted between it and the wire: proof that each scenario can fail.

Every fault of `faults.py` has a server of its own, selected by the path; the path `none` has no fault.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.cursors import refuse_cursors
from tests.transport.gated_server import gated_server
from tests.transport.serving import KeyPerPerson, serve
from transport.app import Transport, TransportOptions
from transport.sessions.session import Limits

Json = dict[str, Any]
HEARTBEAT_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault between the wire and the server; each part does nothing unless it is given."""

    before: Callable[[Scope], Awaitable[int | None]] | None = None
    """Sees each request first and may change it; a returned number is sent at once as the status."""
    asked: Callable[[Any], Any] | None = None
    """Changes the body of a POST."""
    refused: Callable[[int, MutableHeaders, bytes], tuple[int, bytes]] | None = None
    """Changes the response to a POST and any refusal: returns its status and body, changes its headers in place."""
    opened: Callable[[MutableHeaders], None] | None = None
    """Changes the headers of a stream."""
    event: Callable[[Scope, bytes], bytes] | None = None
    """Changes one event, including its empty line."""
    said: Callable[[Json], list[Json]] | None = None
    """Changes one message of the server into any number of messages."""
    to_everybody: bool = False
    """Sends what one stream gets to all streams."""
    stays_open: bool = False
    """Keeps streams from ending by themselves."""


class Broken:
    """Serves `app` with a fault."""

    def __init__(self, app: ASGIApp, fault: Fault) -> None:
        self._app = app
        self._fault = fault
        self._streams: list[Send] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, with the fault."""
        status = await self._fault.before(scope) if self._fault.before else None
        if status is not None:
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        elif scope["method"] == "POST" and self._fault.asked:
            await self._app(scope, _replayed(await _changed(receive, self._fault.asked)), self._respond(scope, send))
        else:
            await self._app(scope, receive, self._respond(scope, send))

    def _respond(self, scope: Scope, send: Send) -> Send:
        start: list[Message] = []

        async def changed(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.append(message)
                if _is_stream(message):
                    await self._open(message, send)
            elif _is_stream(start[0]):
                await self._stream(scope, message, send)
            else:
                await self._whole(start[0], message, send)

        return changed

    async def _whole(self, start: Message, message: Message, send: Send) -> None:
        headers = MutableHeaders(raw=list(start["headers"]))
        if self._fault.refused:
            start["status"], message["body"] = self._fault.refused(start["status"], headers, message["body"])
            headers["content-length"] = str(len(message["body"]))
            start["headers"] = headers.raw
        await send(start)
        await send(message)

    async def _open(self, start: Message, send: Send) -> None:
        headers = MutableHeaders(raw=list(start["headers"]))
        if self._fault.opened:
            self._fault.opened(headers)
        self._streams.append(send)
        await send({**start, "headers": headers.raw})

    async def _stream(self, scope: Scope, message: Message, send: Send) -> None:
        if not message.get("more_body"):
            self._streams.remove(send)
            if self._fault.stays_open:
                await asyncio.Event().wait()
            await send(message)
            return
        body = b"".join(self._event(scope, part + b"\n\n") for part in message["body"].split(b"\n\n")[:-1])
        is_message = b"event: message" in body
        for one in self._streams if self._fault.to_everybody and is_message else [send]:
            await one({**message, "body": body})

    def _event(self, scope: Scope, event: bytes) -> bytes:
        head, data, rest = event.partition(b"data: ")
        if b"event: message" in head and self._fault.said:
            said = self._fault.said(json.loads(rest))
            event = b"".join(head + data + json.dumps(one).encode() + b"\n\n" for one in said)
        return self._fault.event(scope, event) if self._fault.event else event


def _is_stream(start: Message) -> bool:
    return b"text/event-stream" in Headers(raw=start["headers"]).get("content-type", "").encode()


async def _changed(receive: Receive, asked: Callable[[Any], Any]) -> bytes:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    try:
        return json.dumps(asked(json.loads(body))).encode()
    except ValueError:
        return body


def _replayed(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


@asynccontextmanager
async def broken_servers(faults: dict[str, Fault]) -> AsyncGenerator[str]:
    """Serve every fault below its name, to any client with a key; yield their common address."""
    server, _ = gated_server()
    server.middleware.append(refuse_cursors)
    many = 10_000
    limits = Limits(
        heartbeat_s=HEARTBEAT_S,
        max_sessions=many,
        max_sessions_per_principal=many,
        max_streams_per_principal=many,
    )
    transport = Transport(
        server,
        auth_provider=KeyPerPerson(),
        options=TransportOptions(limits=limits, allowed_hosts=("127.0.0.1",)),
    )
    servers = {name: Broken(Router(transport.routes), fault) for name, fault in faults.items()}

    async def select(scope: Scope, receive: Receive, send: Send) -> None:
        if server := servers.get(scope["path_params"]["fault"]):
            await server(scope, receive, send)
        else:
            await PlainTextResponse(status_code=404)(scope, receive, send)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[None]:
        async with transport.run():
            yield

    async with serve(Starlette(routes=[Mount("/{fault}", select)], lifespan=lifespan)) as address:
        yield address
