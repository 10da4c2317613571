"""HTTP+SSE (2024-11-05): one long GET carries events, short POSTs carry messages.

Knows sessions, bytes and principals; nothing of tools, tickets or how a principal was proved. The revision defines two
endpoints and nothing about sessions: event ids, reconnecting, caps, rotation and what a 202 means are this server's
own promises (docs/sessions.md).
Source: modelcontextprotocol.io/specification/2024-11-05/basic/transports.
"""

import asyncio
from functools import partial
from typing import Final

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.types import ASGIApp

from shared.identity import Principal
from shared.telemetry import get_logger
from transport.base import TransportHandler
from transport.dispatch.client_requests import ClientRequests
from transport.dispatch.context import Caller, Wire
from transport.dispatch.dispatcher import Dispatcher
from transport.http import sse_format
from transport.http.endpoint import ACCEPTED
from transport.http.errors import DrainingError
from transport.http.event_stream import EventStreamResponse, OpenStreams, StreamSlot, StreamSource, TooManyStreamsError
from transport.http.public_address import path_of
from transport.http.request_checks import RequestChecks, check_batching, check_version
from transport.http.request_head import HTTPRequest, RequestHead
from transport.http.sse_format import EventId
from transport.sessions.broker import BrokerUnavailableError, CapReachedError, SessionBroker, SessionGoneError
from transport.sessions.session import SESSION_ID, Limits, SessionRecord, new_session_id

log = get_logger(__name__)

WIRE: Final = Wire("sse", own_streams=False)


class SSETransportHandler(TransportHandler):
    """GET: opens a session, or resumes the one that its client had, and streams its events."""

    wire = WIRE.name
    methods = frozenset({"GET"})

    def __init__(
        self,
        dispatcher: Dispatcher,
        broker: SessionBroker,
        back_channel: ClientRequests,
        *,
        streams: OpenStreams,
        limits: Limits,
        draining: asyncio.Event,
        message_path: str,
        public_url: str,
    ) -> None:
        self._dispatcher = dispatcher
        self._broker = broker
        self._back_channel = back_channel
        self._streams = streams
        self._limits = limits
        self._draining = draining
        self._message_path = message_path
        self._public_url = public_url

    async def handle_request(self, request: HTTPRequest, auth_info: Principal) -> ASGIApp:
        """Return the stream.

        A client that connects for the first time may be refused. One that reconnects always gets a 200, and the rest
        inside of it: the TypeScript client gives up for good on any other status.
        """
        connect = ConnectRequest(request.head, auth_info)
        with self._streams.slot(auth_info) as slot:
            session = None if connect.is_reconnect else await self._open_first(connect, slot)

        async def source(stream: EventStreamResponse) -> StreamSource | None:
            if session is not None:
                return await self._attach(connect, session)
            try:
                slot.acquire(is_reconnect=True)
            except TooManyStreamsError:
                return None
            return await stream.once_possible(lambda: self._reconnect(connect, stream))

        return EventStreamResponse(source, wire=WIRE.name, limits=self._limits, draining=self._draining, slot=slot)

    async def _open_first(self, connect: "ConnectRequest", slot: StreamSlot) -> str:
        """Open a session for a new client.

        Raises:
            UnsupportedVersionError, DrainingError, TooManyStreamsError, CapReachedError, BrokerUnavailableError.
        """
        check_version(connect.version)
        if self._draining.is_set():
            raise DrainingError
        slot.acquire()
        return await self._open(connect)

    async def _reconnect(self, connect: "ConnectRequest", stream: EventStreamResponse) -> StreamSource | None:
        """Go on where the client left; None when it has to reconnect later. Raises: BrokerUnavailableError."""
        self._need_broker()
        source = await self._resume(connect) or await self._recognise(connect, stream)
        if source is not None:
            self._streams.resumed(WIRE.name)
        if source is not None or stream.is_gone:  # a client that left meanwhile would never learn of a new session
            return source
        self._need_broker()  # without it no client could have been recognised
        try:
            return await self._attach(connect, await self._open(connect))
        except CapReachedError:
            return None

    def _need_broker(self) -> None:
        if not self._broker.is_up:
            raise BrokerUnavailableError

    async def _resume(self, connect: "ConnectRequest") -> StreamSource | None:
        """Take over the session that `Last-Event-ID` names, if it is this principal's."""
        seen = connect.seen
        record = await self._broker.find(seen.session) if seen is not None else None
        if seen is None or record is None or record.owner != connect.principal.key or record.wire != WIRE.name:
            return None
        return await self._attach(connect, seen.session, after=seen.number)

    async def _recognise(self, connect: "ConnectRequest", stream: EventStreamResponse) -> StreamSource | None:
        """Take over the session at whose endpoint the client answers a ping."""
        if not connect.is_initialized:
            return None

        async def write(message: bytes) -> None:
            await stream.write(sse_format.event(message))

        session = await self._back_channel.recognise(connect.principal.key, write)
        if session is None:
            return None
        log.info("session_recognised", session=session[:8])
        return await self._attach(connect, session)

    async def _attach(
        self, connect: "ConnectRequest", session: str, *, after: int | None = None
    ) -> StreamSource | None:
        reader = await self._broker.attach(session, after=after)
        if reader is None:
            return None
        log.info("stream_opened", session=session[:8], wire=WIRE.name)
        # A path, not an address: clients refuse another origin, and this server may be known by several.
        endpoint = f"{path_of(self._public_url, connect.root_path)}{self._message_path}?session_id={session}"
        return StreamSource(
            reader,
            session,
            preamble=sse_format.event(endpoint.encode(), name="endpoint"),
            can_hand_over=lambda: self._broker.is_shared and not self._dispatcher.is_listening(session),
        )

    async def _open(self, connect: "ConnectRequest") -> str:
        """Open a new session; for a client that reconnects and will not initialize again, an initialized one.

        Raises:
            CapReachedError, BrokerUnavailableError.
        """
        record = SessionRecord(id=new_session_id(), owner=connect.principal.key, wire=WIRE.name)
        if connect.is_initialized:
            record.version, record.initialized = connect.version, True
        await self._broker.open(record, reconnect=connect.is_reconnect)
        principal, is_reconnect = record.owner[1], connect.is_reconnect
        log.info("session_opened", session=record.id[:8], wire=WIRE.name, principal=principal, again=is_reconnect)
        return record.id


class ConnectRequest:
    """A GET: by which principal, and what it says of an earlier one."""

    def __init__(self, head: RequestHead, principal: Principal) -> None:
        self.principal = principal
        self.root_path = head.root_path
        self.seen = EventId.parse(head.last_event_id or "")
        self.version = head.protocol_version
        self.is_initialized = self.version in HANDSHAKE_PROTOCOL_VERSIONS
        """Only a client that was initialized names its revision here."""
        self.is_reconnect = self.seen is not None or self.is_initialized


class MessageHandler(TransportHandler):
    """POST: takes messages of a session, and answers 202 once they are recorded. Responses go over the stream."""

    wire = WIRE.name
    methods = frozenset({"POST"})
    how_to_open = "Open a new one with GET on the SSE endpoint."

    def __init__(
        self, dispatcher: Dispatcher, broker: SessionBroker, *, checks: RequestChecks, draining: asyncio.Event
    ) -> None:
        self._dispatcher = dispatcher
        self._broker = broker
        self._checks = checks
        self._draining = draining

    async def handle_request(self, request: HTTPRequest, auth_info: Principal) -> ASGIApp:
        """Return 202; a single request then runs in the task of its POST.

        Raises:
            SessionGoneError, DrainingError, MalformedMessageError, UnsupportedVersionError, HTTPRefusalError,
            InsufficientScopeError, RequestIdReusedError, BrokerUnavailableError.
        """
        session = request.head.query_session_id
        if not SESSION_ID.fullmatch(session):
            raise SessionGoneError
        if self._draining.is_set() and not (self._broker.is_shared or self._dispatcher.is_busy(session)):
            raise DrainingError  # its stream has ended: no client would read the response
        messages, is_batch = await self._checks.read_messages(request)
        if is_batch:
            check_batching((await self._dispatcher.session(session, auth_info, WIRE)).version)
        caller = Caller(auth_info, request.head.public, True, True, request.received)
        _, call = await self._dispatcher.submit(session, messages, caller, WIRE)
        return ACCEPTED if call is None else ACCEPTED.before(partial(self._dispatcher.respond, call))
