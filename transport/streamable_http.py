"""Streamable HTTP: one endpoint; the response to a POST is the stream of the responses to its requests.

Revisions with a handshake (2025-03-26 to 2025-11-25) have sessions, on the same broker as HTTP+SSE: any instance takes
any request, and a stream that was cut is resumed on any instance by `Last-Event-ID`. A client that leaves cancels
nothing. Requests of 2026-07-28 belong to no session; `transport/streamable_http_stateless.py` serves them.
Source: modelcontextprotocol.io/specification/<revision>/basic/transports; SEP-1699 for streams that end early.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Final

from mcp_types import JSONRPCRequest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.identity import Principal
from shared.telemetry import Counter, get_logger
from transport.base import TransportHandler
from transport.dispatch.context import Caller
from transport.dispatch.dispatcher import Engine
from transport.dispatch.sdk_kernel import is_modern
from transport.http import session_posts, sse_format
from transport.http.endpoint import Response
from transport.http.errors import DrainingError, HTTPRefusal
from transport.http.event_stream import Stream, StreamSource
from transport.http.request_checks import RequestChecks
from transport.http.request_head import HTTPRequest, RequestHead
from transport.http.session_posts import Intake
from transport.http.stream_slots import OpenStreams, StreamSlot
from transport.jsonrpc import Inbound
from transport.sessions.broker import (
    Admitted,
    Attachment,
    BrokerUnavailableError,
    SessionBroker,
    SessionGoneError,
)
from transport.sessions.session import SESSION_ID, EventId, Limits, SessionRecord, new_session_id
from transport.streamable_http_stateless import StatelessHandler

log = get_logger(__name__)

WIRE: Final = "streamable_http"
SESSION_HEADER: Final = "mcp-session-id"


class StreamableHTTPTransportHandler(TransportHandler):
    """POST takes messages and streams their responses; GET streams the rest of a stream; DELETE ends a session."""

    methods = frozenset({"GET", "POST", "DELETE"})
    how_to_open = "Send initialize without Mcp-Session-Id to open a new one."

    def __init__(
        self,
        engine: Engine,
        broker: SessionBroker,
        *,
        checks: RequestChecks,
        streams: OpenStreams,
        limits: Limits,
        draining: asyncio.Event,
        counter: Counter | None = None,
    ) -> None:
        self._engine = engine
        self._broker = broker
        self._streams = streams
        self._checks = checks
        self._limits = limits
        self._draining = draining
        self._counter = counter
        self._intake = Intake(engine, broker, wire=WIRE)
        self._stateless = StatelessHandler(engine.stateless, streams, limits=limits, wire=WIRE)

    async def handle_request(self, request: HTTPRequest, auth_info: Principal) -> ASGIApp:
        """Return the response."""
        head = request.head
        is_handshake = not head.protocol_version or head.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS
        if head.method == "POST":
            return await self._post(request, auth_info, is_handshake=is_handshake)
        if not is_handshake:
            text = "Sessions and their streams are of revisions before 2026-07-28: use POST here."
            raise HTTPRefusal(405, "method", text, headers={"allow": "POST"})
        return await (self._get if head.method == "GET" else self._delete)(head, auth_info)

    # ---- POST

    async def _post(self, request: HTTPRequest, principal: Principal, *, is_handshake: bool) -> ASGIApp:
        head = request.head
        if not head.accepts("application/json", "text/event-stream"):
            raise HTTPRefusal(406, "accept", "Send Accept: application/json, text/event-stream.")
        inbound, batch = await session_posts.read(self._checks, request)
        caller = Caller(principal, head.public)
        requests = [one.message for one in inbound if isinstance(one.message, JSONRPCRequest)]
        if not is_handshake or any(is_modern(one) for one in requests):
            return await self._stateless.respond(request, inbound, caller, batch=batch)
        opens = any(one.method == "initialize" for one in requests)
        if opens and batch:
            raise HTTPRefusal(400, "batch", "Send initialize alone, not in a batch.")
        if opens and head.session_id is None:
            return await self._initialize(inbound, caller)
        stream = _stream_of(requests)
        admitted = await self._intake.take(_session_of(head), inbound, caller, batch=batch, stream=stream)
        return self._answers(admitted, stream, principal)

    async def _initialize(self, inbound: Sequence[Inbound], caller: Caller) -> ASGIApp:
        session = await self._open(caller.principal)
        stream = _stream_of([one.message for one in inbound if isinstance(one.message, JSONRPCRequest)])
        admitted = await self._intake.take(session, inbound, caller, batch=False, stream=stream)
        if admitted.record.version is None:
            return _Failed(self._answers(admitted, stream, caller.principal), self._broker, session)
        return self._answers(admitted, stream, caller.principal, {SESSION_HEADER: session})

    async def _open(self, principal: Principal) -> str:
        if self._draining.is_set():
            raise DrainingError
        record = SessionRecord(id=new_session_id(), owner=principal.key, wire=WIRE)
        await self._broker.open(record)
        log.info("session_opened", session=record.id[:8], wire=WIRE, principal=record.owner[1])
        return record.id

    def _answers(
        self, admitted: Admitted, name: str, principal: Principal, headers: Mapping[str, str] | None = None
    ) -> ASGIApp:
        """Return the stream of a POST, which ends when each request of it has its response; 202 where there is none."""
        record, attachment = admitted.record, admitted.stream
        if attachment is None:
            return Response(202)
        # Clients of earlier revisions take an event without data for a broken message.
        seen = str(EventId(record.id, admitted.after, name))
        priming = sse_format.event(b"", event_id=seen) if record.comes_again else b""
        with self._streams.slot(principal) as slot:
            slot.count()
            return self._stream(self._source(attachment, record, name, preamble=priming), slot, headers)

    # ---- GET and DELETE

    async def _get(self, head: RequestHead, principal: Principal) -> ASGIApp:
        """Return the standalone stream, or the rest of the stream that `Last-Event-ID` names.

        Raises:
            SessionGoneError, BrokerUnavailableError.
        """
        if not head.accepts("text/event-stream"):
            raise HTTPRefusal(406, "accept", "Send Accept: text/event-stream.")
        session, seen = _session_of(head), _seen_by(head)
        with self._streams.slot(principal) as slot:
            await slot.acquire(is_reconnect=seen is not None)
            return await self._resume(session, seen, principal, slot)

    async def _resume(self, session: str, seen: EventId | None, principal: Principal, slot: StreamSlot) -> Stream:
        """Return the stream. Raises: HTTPRefusal, SessionGoneError, BrokerUnavailableError."""

        async def attach() -> StreamSource | None:
            record = await self._intake.session(session, principal)
            name, after = (seen.stream, seen.number) if seen else ("", None)
            attachment = await self._broker.attach(session, stream=name, after=after)
            return self._source(attachment, record, name) if attachment is not None else None

        async def attach_late() -> StreamSource | None:
            try:
                return await attach()
            except SessionGoneError:  # too late for a 404: its client gets that when it reconnects
                return None

        try:
            source = await attach()
        except BrokerUnavailableError:
            if seen is None:
                raise
            # It would not reconnect a third time.
            return self._stream(lambda stream: stream.once_possible(attach_late), slot)
        if source is None:
            raise _unknown_event()
        return self._stream(source, slot)

    async def _delete(self, head: RequestHead, principal: Principal) -> ASGIApp:
        """End a session. Raises: SessionGoneError, BrokerUnavailableError."""
        record = await self._intake.session(_session_of(head), principal)
        await self._broker.end(record.id)
        log.info("session_ended", session=record.id[:8], wire=WIRE)
        return Response(204)

    # ---- streams

    def _stream(
        self,
        source: StreamSource | Callable[[Stream], Awaitable[StreamSource | None]],
        slot: StreamSlot,
        headers: Mapping[str, str] | None = None,
    ) -> Stream:
        if self._counter is not None:
            self._counter.count("streams_opened", wire=WIRE)
        return Stream(source, limits=self._limits, draining=self._draining, slot=slot, headers=headers)

    def _source(self, reader: Attachment, record: SessionRecord, name: str, *, preamble: bytes = b"") -> StreamSource:
        def can_hand_over() -> bool:
            return self._broker.is_shared and (not name or record.comes_again)

        return StreamSource(reader, record.id, name, preamble, can_hand_over)


class _Failed:
    """The response to an `initialize` that failed: no client will use its session."""

    def __init__(self, answers: ASGIApp, broker: SessionBroker, session: str) -> None:
        self._answers = answers
        self._broker = broker
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answers(scope, receive, send)
        finally:
            with suppress(BrokerUnavailableError):  # then it ends by itself
                await self._broker.end(self._session)


def _session_of(head: RequestHead) -> str:
    """Return the session that a request names. Raises: HTTPRefusal, SessionGoneError."""
    if not head.session_id:
        raise HTTPRefusal(400, "no_session", "Send the Mcp-Session-Id that initialize was answered with.")
    if not SESSION_ID.fullmatch(head.session_id):
        raise SessionGoneError
    return head.session_id


def _seen_by(head: RequestHead) -> EventId | None:
    """Return where the client stands in a stream; None when it does not say. Raises: HTTPRefusal."""
    if head.last_event_id is None:
        return None
    seen = EventId.parse(head.last_event_id)
    if seen is None or seen.session != _session_of(head):
        raise _unknown_event()
    return seen


def _unknown_event() -> HTTPRefusal:
    text = "There is no stream of this session to resume from that Last-Event-ID. Leave it out to open a new one."
    return HTTPRefusal(400, "unknown_event", text)


def _stream_of(requests: Sequence[JSONRPCRequest]) -> str:
    """Return the name of the stream of a POST. A repeat of the same POST has the same, and so takes the stream over."""
    if not requests:
        return ""
    return sha256(json.dumps([one.id for one in requests]).encode()).hexdigest()[:16]
