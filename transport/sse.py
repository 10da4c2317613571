"""HTTP+SSE (2024-11-05): one long GET carries events, short POSTs carry messages.

Knows sessions, bytes and principals; nothing of tools, tickets or how a principal was proved. The revision defines two
endpoints and nothing about sessions: event ids, coming again, caps, rotation and what a 202 means are this server's
own promises (docs/sessions.md).
Source: modelcontextprotocol.io/specification/2024-11-05/basic/transports.
"""

import asyncio

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.types import ASGIApp

from shared.identity import Principal
from shared.telemetry import Counter, get_logger
from transport.base import Reply, TransportHandler, public_headers
from transport.dispatch.context import Caller
from transport.dispatch.dispatcher import Dispatcher
from transport.http import errors, session_posts, sse_format
from transport.http.event_stream import EventStreamResponse, StreamSource
from transport.http.request_checks import RequestChecks
from transport.http.session_posts import SessionPosts
from transport.http.stream_slots import OpenStreams, StreamSlot, TooManyStreamsError
from transport.sessions.broker import BrokerUnavailableError, CapReachedError, SessionBroker
from transport.sessions.session import SESSION_ID, EventId, Limits, SessionRecord, new_session_id

log = get_logger(__name__)

WIRE = "sse"


class SSETransportHandler(TransportHandler):
    """GET: opens a session, or takes up the one that its client had, and streams its events."""

    methods = frozenset({"GET"})

    def __init__(
        self,
        dispatcher: Dispatcher,
        broker: SessionBroker,
        *,
        streams: OpenStreams,
        limits: Limits,
        draining: asyncio.Event,
        message_path: str,
        counter: Counter | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._streams = streams
        self._broker = broker
        self._limits = limits
        self._draining = draining
        self._message_path = message_path
        self._counter = counter

    async def handle_request(self, request: Request, auth_info: Principal) -> ASGIApp:
        """Return the stream.

        Who comes for the first time may be refused. Who comes again is told everything inside of a 200: the
        TypeScript client gives up for good on any other status.
        """
        connect = _ConnectRequest(request, auth_info)
        with self._streams.new_slot(auth_info) as slot:
            session = None if connect.is_reconnect else await self._open_or_refuse(connect, slot)

        async def opening(stream: EventStreamResponse) -> StreamSource | None:
            if session is not None:
                return await self._attach(connect, session)
            try:
                await slot.reserve(is_reconnect=True)
            except TooManyStreamsError:
                return None
            return await stream.once_possible(lambda: self._take_up(connect, stream))

        if self._counter is not None:
            self._counter.count("streams_opened", wire=WIRE)
        return EventStreamResponse(opening, limits=self._limits, draining=self._draining, slot=slot)

    async def _open_or_refuse(self, connect: "_ConnectRequest", slot: StreamSlot) -> str:
        if self._draining.is_set():
            raise errors.draining()
        try:
            await slot.reserve()
            return await self._open(connect)
        except TooManyStreamsError as error:
            raise errors.too_many_streams(error) from None
        except CapReachedError as error:
            raise errors.cap_reached(error) from None
        except BrokerUnavailableError as error:
            raise errors.unavailable(error) from None

    async def _take_up(self, connect: "_ConnectRequest", stream: EventStreamResponse) -> StreamSource | None:
        """Go on where the client left; None when it is to come again later. Raises: BrokerUnavailableError."""
        self._need_broker()
        source = await self._resume(connect) or await self._recognise(connect, stream)
        if source is not None or stream.is_gone:  # who left meanwhile would never learn of a new session
            return source
        self._need_broker()  # without it nobody could have been recognised
        try:
            return await self._attach(connect, await self._open(connect))
        except CapReachedError:
            return None

    def _need_broker(self) -> None:
        if not self._broker.is_up:
            raise BrokerUnavailableError

    async def _resume(self, connect: "_ConnectRequest") -> StreamSource | None:
        """Take up the session that `Last-Event-ID` names, if it is this principal's."""
        seen = connect.seen
        record = await self._broker.find(seen.session) if seen is not None else None
        if seen is None or record is None or record.owner != connect.principal.key or record.wire != WIRE:
            return None
        return await self._attach(connect, seen.session, after=seen.number)

    async def _recognise(self, connect: "_ConnectRequest", stream: EventStreamResponse) -> StreamSource | None:
        """Take up the session at whose endpoint the client answers a ping."""
        if not connect.is_initialized:
            return None

        async def write(message: bytes) -> None:
            await stream.write(sse_format.event(message))

        session = await self._dispatcher.channel.recognise(connect.principal.key, write)
        if session is None:
            return None
        log.info("session_recognised", session=session[:8])
        return await self._attach(connect, session)

    async def _attach(
        self, connect: "_ConnectRequest", session: str, *, after: int | None = None
    ) -> StreamSource | None:
        reader = await self._broker.attach(session, after=after)
        if reader is None:
            return None
        log.info("stream_opened", session=session[:8], wire=WIRE)
        endpoint = f"{connect.root_path}{self._message_path}?session_id={session}"
        return StreamSource(
            reader,
            session,
            preamble=sse_format.event(endpoint.encode(), name="endpoint"),
            can_hand_over=lambda: self._broker.is_shared and not self._dispatcher.is_listening(session),
        )

    async def _open(self, connect: "_ConnectRequest") -> str:
        """Open a new session; for a client that comes again and will not initialize again, an initialized one.

        Raises:
            CapReachedError, BrokerUnavailableError.
        """
        record = SessionRecord(id=new_session_id(), owner=connect.principal.key, wire=WIRE)
        if connect.is_initialized:
            record.version, record.initialized = connect.version, True
        await self._broker.open(record, reconnect=connect.is_reconnect)
        log.info(
            "session_opened", session=record.id[:8], wire=WIRE, principal=record.owner[1], again=connect.is_reconnect
        )
        return record.id


class _ConnectRequest:
    """A GET: by whom, and what it tells of an earlier one."""

    def __init__(self, request: Request, principal: Principal) -> None:
        self.principal = principal
        self.root_path = request.scope.get("root_path", "")
        self.seen = EventId.parse(request.headers.get("last-event-id", ""))
        self.version = request.headers.get("mcp-protocol-version", "").strip()
        self.is_initialized = self.version in HANDSHAKE_PROTOCOL_VERSIONS
        """Only a client that was initialized names its revision here."""
        self.is_reconnect = self.seen is not None or self.is_initialized


class MessageHandler(TransportHandler):
    """POST: takes messages of a session, and answers 202 once they are recorded. Answers go over the stream."""

    methods = frozenset({"POST"})

    def __init__(
        self, dispatcher: Dispatcher, broker: SessionBroker, *, checks: RequestChecks, draining: asyncio.Event
    ) -> None:
        self._dispatcher = dispatcher
        self._broker = broker
        self._checks = checks
        self._draining = draining
        self._posts = SessionPosts(
            dispatcher, broker, wire=WIRE, how_to_open="Open a new one with GET on the SSE endpoint."
        )

    async def handle_request(self, request: Request, auth_info: Principal) -> ASGIApp:
        """Return 202, or refuse."""
        session = request.query_params.get("session_id", "")
        if not SESSION_ID.fullmatch(session):
            raise self._posts.unknown()
        if self._draining.is_set() and not (self._broker.is_shared or self._dispatcher.is_busy(session)):
            raise errors.draining()  # its stream has ended: nobody would read the answer
        inbound, batch = await session_posts.read(self._checks, request)
        await self._posts.submit(session, inbound, Caller(auth_info, public_headers(request)), batch=batch)
        return Reply(202, b"Accepted", {"content-type": "text/plain; charset=utf-8"})
