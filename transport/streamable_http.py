"""Streamable HTTP: one endpoint; the response to a POST has the responses to its requests, as JSON or as a stream.

Revisions with a handshake (2025-03-26 to 2025-11-25) have sessions, on the same broker as HTTP+SSE: any instance takes
any request, and a stream that was cut is resumed on any instance by `Last-Event-ID`. A client that leaves cancels
nothing. Requests of 2026-07-28 belong to no session; `transport/streamable_http_stateless.py` serves them, and
`transport/streamable_http_no_session.py` those of earlier revisions whose client never sends the id of its session.
Source: modelcontextprotocol.io/specification/<revision>/basic/transports; SEP-1699 for streams that end early.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from mcp_types import RequestId
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.client_habits import ClientHabits
from shared.counting import Counter
from shared.errors import TicketServerError
from shared.identity import Principal
from shared.json_rpc import JSONRPCRequest
from shared.telemetry import get_logger
from transport.base import TransportHandler
from transport.dispatch.context import Caller, Wire
from transport.dispatch.dispatcher import Dispatcher, Submitted
from transport.dispatch.envelope import EnvelopeChecks
from transport.dispatch.stateless import StatelessDispatcher
from transport.http.collected_response import CollectedResponse
from transport.http.endpoint import HTTPResponse
from transport.http.errors import DrainingError, HTTPRefusalError
from transport.http.event_stream import EventStreamResponse, OpenStreams, StreamSlot, StreamSource
from transport.http.request_checks import RequestChecks, check_batching, check_version
from transport.http.request_head import HTTPRequest, RequestHead
from transport.http.single_response import SingleResponse
from transport.http.sse_format import EventId
from transport.jsonrpc import Inbound
from transport.sessions.broker import (
    BrokerUnavailableError,
    ClaimResult,
    SessionBroker,
    SessionGoneError,
    StreamReader,
)
from transport.sessions.session import (
    RESUMES_POST_STREAMS,
    SESSION_ID,
    Limits,
    SessionRecord,
    new_session_id,
)
from transport.streamable_http_no_session import NoSessionHandler
from transport.streamable_http_stateless import StatelessHandler

log = get_logger(__name__)

WIRE: Final = Wire("streamable_http", own_streams=True)
SESSION_HEADER: Final = "mcp-session-id"


class StreamableHTTPTransportHandler(TransportHandler):
    """POST takes messages and streams their responses; GET streams the rest of a stream; DELETE ends a session."""

    wire = WIRE.name
    methods = frozenset({"GET", "POST", "DELETE"})
    how_to_open = "Send initialize without Mcp-Session-Id to open a new one."

    def __init__(
        self,
        dispatcher: Dispatcher,
        stateless: StatelessDispatcher,
        envelopes: EnvelopeChecks,
        broker: SessionBroker,
        *,
        checks: RequestChecks,
        streams: OpenStreams,
        limits: Limits,
        draining: asyncio.Event,
        habits: ClientHabits,
        counter: Counter | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._broker = broker
        self._streams = streams
        self._checks = checks
        self._limits = limits
        self._draining = draining
        self._habits = habits
        self._stateless = StatelessHandler(stateless, envelopes, streams, limits=limits, habits=habits, wire=WIRE.name)
        self._no_session = NoSessionHandler(stateless, streams, limits=limits, wire=WIRE.name, counter=counter)

    def handle_request(self, request: HTTPRequest, auth_info: Principal) -> Coroutine[Any, Any, ASGIApp]:
        """Return the response."""
        head = request.head
        is_handshake = not head.protocol_version or head.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS
        if head.method == "POST":
            return self._post(request, auth_info, is_handshake=is_handshake)
        check_version(head.protocol_version)
        if not is_handshake and not self._is_of_session(head):
            text = "Sessions and their streams are of revisions before 2026-07-28: use POST here."
            raise HTTPRefusalError(405, "method", text, headers={"allow": "POST"})
        return (self._get if head.method == "GET" else self._delete)(head, auth_info)

    # ---- POST

    async def _post(self, request: HTTPRequest, principal: Principal, *, is_handshake: bool) -> ASGIApp:
        head = request.head
        self._check_accept(head)
        messages, is_batch = await self._checks.read_messages(request)
        caller = Caller(principal, head.public, head.takes_json, head.takes_events, request.received)
        is_modern = True in [one.is_modern for one in messages]
        if is_modern or not (is_handshake or self._is_of_session(head)):
            return await self._stateless.respond(request, messages, caller, is_batch=is_batch)
        opens = "initialize" in [one.message.method for one in messages if isinstance(one.message, JSONRPCRequest)]
        if opens and is_batch:
            raise HTTPRefusalError(400, "batch", "Send initialize alone, not in a batch.")
        if opens and head.session_id is None:
            return await self._initialize(messages, caller)
        if head.session_id is None and self._habits.admits("no_session_id"):
            return await self._no_session.respond(head, messages, caller, is_batch=is_batch)
        session = _session_of(head)
        if is_batch:
            check_batching((await self._dispatcher.session(session, principal, WIRE)).version)
        submitted = await self._dispatcher.submit(session, messages, caller, WIRE)
        return self._responses(submitted, messages, caller, is_batch=is_batch)

    def _check_accept(self, head: RequestHead) -> None:
        """Pass a POST whose client takes JSON, a stream, or both. Raises: HTTPRefusalError."""
        if head.takes_json and head.takes_events:
            return
        if not (head.takes_json or head.takes_events) or not self._habits.admits("one_accept"):
            raise HTTPRefusalError(406, "accept", "Send Accept: application/json, text/event-stream.")

    def _is_of_session(self, head: RequestHead) -> bool:
        """Whether a request without an envelope belongs to a session, although it names a revision that has none."""
        return (
            head.protocol_version in MODERN_PROTOCOL_VERSIONS
            and SESSION_ID.fullmatch(head.session_id or "") is not None
            and self._habits.admits("later_version")
        )

    async def _initialize(self, messages: Sequence[Inbound], caller: Caller) -> ASGIApp:
        session = await self._open(caller.principal)
        try:
            submitted = await self._dispatcher.submit(session, messages, caller, WIRE)
        except TicketServerError:
            await self._end(session)
            raise
        if submitted.claimed.record.version is None:
            return self._then_end(self._responses(submitted, messages, caller), session)
        return self._responses(submitted, messages, caller, headers={SESSION_HEADER: session})

    def _then_end(self, response: ASGIApp, session: str) -> ASGIApp:
        """Return an application that ends a session after `response`: to an `initialize` that failed."""

        async def respond_and_end(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await response(scope, receive, send)
            finally:
                await self._end(session)

        return respond_and_end

    async def _end(self, session: str) -> None:
        """End a session that no client will use."""
        with suppress(BrokerUnavailableError):  # then it ends by itself
            await self._broker.end(session)

    async def _open(self, principal: Principal) -> str:
        if self._draining.is_set():
            raise DrainingError
        record = SessionRecord(id=new_session_id(), owner=principal.key, wire=WIRE.name)
        await self._broker.open(record)
        log.info("session_opened", session=record.id[:8], wire=WIRE.name, principal=record.owner[1])
        return record.id

    def _responses(
        self,
        submitted: Submitted,
        messages: Sequence[Inbound],
        caller: Caller,
        *,
        is_batch: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> ASGIApp:
        """Return the responses to the requests of a POST: JSON or a stream; 202 without requests."""
        claimed, call = submitted
        attempts, reader = claimed.attempts, claimed.reader
        if reader is None:
            return HTTPResponse(202)
        otherwise: Callable[[], ASGIApp] = partial(self._streamed, claimed, reader, caller, headers)
        if not caller.takes_events:
            ids = [one.message.id for one in messages if isinstance(one.message, JSONRPCRequest)]
            writes = [attempt is None or attempt.writes for attempt in attempts]
            requests = list(zip(ids, writes, strict=True))
            otherwise = partial(self._collected, reader, requests, caller, headers, is_batch=is_batch)
        if call is None and not (caller.takes_json and len(attempts) == 1 and reader.has_news):
            return otherwise()
        return SingleResponse(
            self._dispatcher,
            call,
            reader,
            otherwise=otherwise,
            limits=self._limits,
            is_batch=is_batch,
            headers=headers,
        )

    def _streamed(
        self, claimed: ClaimResult, reader: StreamReader, caller: Caller, headers: Mapping[str, str] | None
    ) -> ASGIApp:
        """Return the stream of a POST, which ends when each request of it has its response."""
        record, name = claimed.record, claimed.stream
        # Clients of earlier revisions take an event without data for a broken message.
        is_primed = record.version in RESUMES_POST_STREAMS
        begins_at = EventId(record.id, claimed.after, name) if is_primed else None
        with self._streams.slot(caller.principal) as slot:
            slot.occupy()
            return self._stream(self._source(reader, record, name, begins_at=begins_at), slot, headers)

    def _collected(
        self,
        reader: StreamReader,
        requests: Sequence[tuple[RequestId, bool]],
        caller: Caller,
        headers: Mapping[str, str] | None,
        *,
        is_batch: bool,
    ) -> ASGIApp:
        """Return the same as one JSON body, for a client that takes no stream."""
        return CollectedResponse(
            reader,
            requests,
            is_batch=is_batch,
            limits=self._limits,
            slot=self._streams.slot(caller.principal),
            headers=headers,
        )

    # ---- GET and DELETE

    async def _get(self, head: RequestHead, principal: Principal) -> ASGIApp:
        """Return the standalone stream, or the rest of the stream that `Last-Event-ID` names.

        Raises:
            HTTPRefusalError, SessionGoneError, BrokerUnavailableError.
        """
        if head.session_id is None and self._habits.admits("no_session_id"):
            text = "A stream belongs to a session: send Mcp-Session-Id, or do without a stream and use POST."
            raise HTTPRefusalError(405, "method", text, headers={"allow": "POST"})  # clients go on without a stream
        if not head.takes_events:
            raise HTTPRefusalError(406, "accept", "Send Accept: text/event-stream.")
        session, seen = _session_of(head), _seen_by(head)
        with self._streams.slot(principal) as slot:
            slot.acquire(is_reconnect=seen is not None)
            return await self._resume(session, seen, principal, slot)

    async def _resume(
        self, session: str, seen: EventId | None, principal: Principal, slot: StreamSlot
    ) -> EventStreamResponse:
        """Return the stream. Raises: HTTPRefusalError, SessionGoneError, BrokerUnavailableError."""

        async def attach() -> StreamSource | None:
            record = await self._dispatcher.session(session, principal, WIRE)
            name, after = (seen.stream, seen.number) if seen else ("", None)
            reader = await self._broker.attach(session, stream=name, after=after)
            if seen is not None and reader is not None:
                self._streams.resumed(WIRE.name)
            return self._source(reader, record, name) if reader is not None else None

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
        record = await self._dispatcher.session(_session_of(head), principal, WIRE)
        await self._broker.end(record.id)
        log.info("session_ended", session=record.id[:8], wire=WIRE.name)
        return HTTPResponse(204)

    # ---- streams

    def _stream(
        self,
        source: StreamSource | Callable[[EventStreamResponse], Awaitable[StreamSource | None]],
        slot: StreamSlot,
        headers: Mapping[str, str] | None = None,
    ) -> EventStreamResponse:
        return EventStreamResponse(
            source, wire=WIRE.name, limits=self._limits, draining=self._draining, slot=slot, headers=headers
        )

    def _source(
        self, reader: StreamReader, record: SessionRecord, name: str, *, begins_at: EventId | None = None
    ) -> StreamSource:
        def can_hand_over() -> bool:
            return self._broker.is_shared and (not name or record.version in RESUMES_POST_STREAMS)

        return StreamSource(reader, record.id, name, begins_at=begins_at, can_hand_over=can_hand_over)


def _session_of(head: RequestHead) -> str:
    """Return the session that a request names. Raises: HTTPRefusalError, SessionGoneError."""
    if not head.session_id:
        raise HTTPRefusalError(400, "no_session", "Send the Mcp-Session-Id that initialize was answered with.")
    if not SESSION_ID.fullmatch(head.session_id):
        raise SessionGoneError
    return head.session_id


def _seen_by(head: RequestHead) -> EventId | None:
    """Return where the client stands in a stream; None when it does not say. Raises: HTTPRefusalError."""
    if head.last_event_id is None:
        return None
    seen = EventId.parse(head.last_event_id)
    if seen is None or seen.session != _session_of(head):
        raise _unknown_event()
    return seen


def _unknown_event() -> HTTPRefusalError:
    text = "There is no stream of this session to resume from that Last-Event-ID. Leave it out to open a new one."
    return HTTPRefusalError(400, "unknown_event", text)
