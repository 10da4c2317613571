"""Streamable HTTP: one endpoint; a POST is answered by the stream of its own answers.

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
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.identity import InsufficientScopeError, Principal
from shared.telemetry import Counter, get_logger
from transport.base import Reply, TransportHandler, public_headers
from transport.dispatch.context import Caller
from transport.dispatch.dispatcher import Dispatcher
from transport.dispatch.sdk_kernel import is_modern
from transport.http import errors, session_posts, sse_format
from transport.http.event_stream import EventStreamResponse, StreamSource
from transport.http.request_checks import HTTPRefusalError, RequestChecks, accepts
from transport.http.session_posts import SessionPosts
from transport.http.stream_slots import OpenStreams, StreamSlot, TooManyStreamsError
from transport.jsonrpc import Inbound
from transport.sessions.broker import (
    BrokerUnavailableError,
    CapReachedError,
    ClaimResult,
    SessionBroker,
    SessionGoneError,
    StreamReader,
)
from transport.sessions.session import SESSION_ID, EventId, Limits, SessionRecord, new_session_id
from transport.streamable_http_stateless import VERSION_HEADER, StatelessHandler

log = get_logger(__name__)

WIRE: Final = "streamable_http"
SESSION_HEADER: Final = "mcp-session-id"


class StreamableHTTPTransportHandler(TransportHandler):
    """POST takes messages and streams their answers; GET streams the rest of a stream; DELETE ends a session."""

    methods = frozenset({"GET", "POST", "DELETE"})

    def __init__(
        self,
        dispatcher: Dispatcher,
        broker: SessionBroker,
        *,
        checks: RequestChecks,
        streams: OpenStreams,
        limits: Limits,
        draining: asyncio.Event,
        counter: Counter | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._broker = broker
        self._open_streams = streams
        self._checks = checks
        self._limits = limits
        self._draining = draining
        self._counter = counter
        self._posts = SessionPosts(
            dispatcher, broker, wire=WIRE, how_to_open="Send initialize without Mcp-Session-Id to open a new one."
        )
        self._stateless = StatelessHandler(dispatcher.stateless, streams, limits=limits, kind=WIRE)

    async def handle_request(self, request: Request, auth_info: Principal) -> ASGIApp:
        """Return the answer."""
        version = request.headers.get(VERSION_HEADER, "").strip()
        is_handshake = not version or version in HANDSHAKE_PROTOCOL_VERSIONS
        if not is_handshake and request.method != "POST":
            text = "Sessions and their streams are of revisions before 2026-07-28: use POST here."
            raise HTTPRefusalError(405, "method", text, headers={"allow": "POST"})
        try:
            if request.method == "POST":
                return await self._post(request, auth_info, is_handshake=is_handshake)
            return await (self._get if request.method == "GET" else self._delete)(request, auth_info)
        except SessionGoneError:
            raise self._posts.unknown() from None
        except BrokerUnavailableError as error:
            raise errors.unavailable(error) from None

    # ---- POST

    async def _post(self, request: Request, principal: Principal, *, is_handshake: bool) -> ASGIApp:
        if not accepts(request, "application/json", "text/event-stream"):
            raise HTTPRefusalError(406, "accept", "Send Accept: application/json, text/event-stream.")
        inbound, batch = await session_posts.read(self._checks, request)
        caller = Caller(principal, public_headers(request))
        requests = [one.message for one in inbound if isinstance(one.message, JSONRPCRequest)]
        await self._check_scopes(requests, caller)
        if not is_handshake or any(is_modern(one) for one in requests):
            return await self._stateless.respond(request, inbound, caller, batch=batch)
        opens = any(one.method == "initialize" for one in requests)
        if opens and batch:
            raise HTTPRefusalError(400, "batch", "Send initialize alone, not in a batch.")
        if opens and SESSION_HEADER not in request.headers:
            return await self._initialize(inbound, caller)
        stream = _stream_of(requests)
        claimed = await self._posts.submit(_session_of(request), inbound, caller, batch=batch, stream=stream)
        return self._responses(claimed, stream, principal)

    async def _check_scopes(self, requests: Sequence[JSONRPCRequest], caller: Caller) -> None:
        """Refuse a POST of which one request may not be asked, with the status that makes a client ask for more."""
        for one in requests:
            try:
                await self._dispatcher.check_scope(one, caller)
            except InsufficientScopeError as error:
                raise errors.insufficient_scope(error, one.id, caller.principal) from None

    async def _initialize(self, inbound: Sequence[Inbound], caller: Caller) -> ASGIApp:
        session = await self._open(caller.principal)
        stream = _stream_of([one.message for one in inbound if isinstance(one.message, JSONRPCRequest)])
        claimed = await self._posts.submit(session, inbound, caller, batch=False, stream=stream)
        if claimed.record.version is None:
            return _FailedInitialize(self._responses(claimed, stream, caller.principal), self._broker, session)
        return self._responses(claimed, stream, caller.principal, {SESSION_HEADER: session})

    async def _open(self, principal: Principal) -> str:
        if self._draining.is_set():
            raise errors.draining()
        record = SessionRecord(id=new_session_id(), owner=principal.key, wire=WIRE)
        try:
            await self._broker.open(record)
        except CapReachedError as error:
            raise errors.cap_reached(error) from None
        log.info("session_opened", session=record.id[:8], wire=WIRE, principal=record.owner[1])
        return record.id

    def _responses(
        self, claimed: ClaimResult, name: str, principal: Principal, headers: Mapping[str, str] | None = None
    ) -> ASGIApp:
        """Return the stream of a POST, which ends when every request of it is answered; 202 where there is none."""
        record, reader = claimed.record, claimed.reader
        if reader is None:
            return Reply(202, b"")
        # Clients of earlier revisions take an event without data for a broken message.
        seen = str(EventId(record.id, claimed.after, name))
        priming = sse_format.event(b"", event_id=seen) if record.reconnects else b""
        with self._open_streams.new_slot(principal) as slot:
            slot.occupy()
            return self._stream(self._source(reader, record, name, preamble=priming), slot, headers)

    # ---- GET and DELETE

    async def _get(self, request: Request, principal: Principal) -> ASGIApp:
        """Return the standalone stream, or the rest of the stream that `Last-Event-ID` names.

        Raises:
            SessionGoneError, BrokerUnavailableError.
        """
        if not accepts(request, "text/event-stream"):
            raise HTTPRefusalError(406, "accept", "Send Accept: text/event-stream.")
        session, seen = _session_of(request), _seen_by(request)
        with self._open_streams.new_slot(principal) as slot:
            try:
                await slot.reserve(is_reconnect=seen is not None)
            except TooManyStreamsError as error:
                raise errors.too_many_streams(error) from None
            return await self._resume(session, seen, principal, slot)

    async def _resume(
        self, session: str, seen: EventId | None, principal: Principal, slot: StreamSlot
    ) -> EventStreamResponse:
        """Return the stream. Raises: HTTPRefusalError, SessionGoneError, BrokerUnavailableError."""

        async def attach() -> StreamSource | None:
            record = await self._posts.session(session, principal)
            name, after = (seen.stream, seen.number) if seen else ("", None)
            reader = await self._broker.attach(session, stream=name, after=after)
            return self._source(reader, record, name) if reader is not None else None

        async def attach_late() -> StreamSource | None:
            try:
                return await attach()
            except SessionGoneError:  # too late for a 404: its client gets that when it comes again
                return None

        try:
            source = await attach()
        except BrokerUnavailableError:
            if seen is None:
                raise
            # It would not come a third time.
            return self._stream(lambda stream: stream.once_possible(attach_late), slot)
        if source is None:
            raise _unknown_event()
        return self._stream(source, slot)

    async def _delete(self, request: Request, principal: Principal) -> ASGIApp:
        """End a session. Raises: SessionGoneError, BrokerUnavailableError."""
        record = await self._posts.session(_session_of(request), principal)
        await self._broker.end(record.id)
        log.info("session_ended", session=record.id[:8], wire=WIRE)
        return Reply(204, b"")

    # ---- streams

    def _stream(
        self,
        opening: StreamSource | Callable[[EventStreamResponse], Awaitable[StreamSource | None]],
        slot: StreamSlot,
        headers: Mapping[str, str] | None = None,
    ) -> EventStreamResponse:
        if self._counter is not None:
            self._counter.count("streams_opened", wire=WIRE)
        return EventStreamResponse(opening, limits=self._limits, draining=self._draining, slot=slot, headers=headers)

    def _source(self, reader: StreamReader, record: SessionRecord, name: str, *, preamble: bytes = b"") -> StreamSource:
        def can_hand_over() -> bool:
            return self._broker.is_shared and (not name or record.reconnects)

        return StreamSource(reader, record.id, name, preamble, can_hand_over)


class _FailedInitialize:
    """The answer to an `initialize` that failed: nobody will use its session."""

    def __init__(self, responses: ASGIApp, broker: SessionBroker, session: str) -> None:
        self._responses = responses
        self._broker = broker
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._responses(scope, receive, send)
        finally:
            with suppress(BrokerUnavailableError):  # then it ends by itself
                await self._broker.end(self._session)


def _session_of(request: Request) -> str:
    """Return the session that a request names. Raises: HTTPRefusalError, SessionGoneError."""
    session = request.headers.get(SESSION_HEADER, "").strip()
    if not session:
        raise HTTPRefusalError(400, "no_session", "Send the Mcp-Session-Id that initialize was answered with.")
    if not SESSION_ID.fullmatch(session):
        raise SessionGoneError
    return session


def _seen_by(request: Request) -> EventId | None:
    """Return where the client stands in a stream; None when it does not say. Raises: HTTPRefusalError."""
    said = request.headers.get("last-event-id")
    if said is None:
        return None
    seen = EventId.parse(said)
    if seen is None or seen.session != _session_of(request):
        raise _unknown_event()
    return seen


def _unknown_event() -> HTTPRefusalError:
    text = "There is no stream of this session to resume from that Last-Event-ID. Leave it out to open a new one."
    return HTTPRefusalError(400, "unknown_event", text)


def _stream_of(requests: Sequence[JSONRPCRequest]) -> str:
    """Return the name of the stream of a POST. A repeat of the same POST has the same, and so takes the stream over."""
    if not requests:
        return ""
    return sha256(json.dumps([one.id for one in requests]).encode()).hexdigest()[:16]
