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
        engine: Dispatcher,
        broker: SessionBroker,
        *,
        answers: OpenStreams,
        limits: Limits,
        draining: asyncio.Event,
        message_path: str,
        counter: Counter | None = None,
    ) -> None:
        self._engine = engine
        self._answers = answers
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
        coming = _ConnectRequest(request, auth_info)
        with self._answers.enter(auth_info) as place:
            session = None if coming.again else await self._open_or_refuse(coming, place)

        async def opening(stream: EventStreamResponse) -> StreamSource | None:
            if session is not None:
                return await self._attach(coming, session)
            try:
                await place.take(again=True)
            except TooManyStreamsError:
                return None
            return await stream.once_possible(lambda: self._take_up(coming, stream))

        if self._counter is not None:
            self._counter.count("streams_opened", wire=WIRE)
        return EventStreamResponse(opening, limits=self._limits, draining=self._draining, place=place)

    async def _open_or_refuse(self, coming: "_ConnectRequest", place: StreamSlot) -> str:
        if self._draining.is_set():
            raise errors.draining()
        try:
            await place.take()
            return await self._open(coming)
        except TooManyStreamsError as error:
            raise errors.too_many_streams(error) from None
        except CapReachedError as error:
            raise errors.cap_reached(error) from None
        except BrokerUnavailableError as error:
            raise errors.unavailable(error) from None

    async def _take_up(self, coming: "_ConnectRequest", stream: EventStreamResponse) -> StreamSource | None:
        """Go on where the client left; None when it is to come again later. Raises: BrokerUnavailableError."""
        self._need_broker()
        opened = await self._resume(coming) or await self._recognise(coming, stream)
        if opened is not None or stream.is_gone:  # who left meanwhile would never learn of a new session
            return opened
        self._need_broker()  # without it nobody could have been recognised
        try:
            return await self._attach(coming, await self._open(coming))
        except CapReachedError:
            return None

    def _need_broker(self) -> None:
        if not self._broker.is_up:
            raise BrokerUnavailableError

    async def _resume(self, coming: "_ConnectRequest") -> StreamSource | None:
        """Take up the session that `Last-Event-ID` names, if it is this principal's."""
        seen = coming.seen
        record = await self._broker.find(seen.session) if seen is not None else None
        if seen is None or record is None or record.owner != coming.principal.key or record.wire != WIRE:
            return None
        return await self._attach(coming, seen.session, after=seen.number)

    async def _recognise(self, coming: "_ConnectRequest", stream: EventStreamResponse) -> StreamSource | None:
        """Take up the session at whose endpoint the client answers a ping."""
        if not coming.is_initialized:
            return None

        async def write(message: bytes) -> None:
            await stream.write(sse_format.event(message))

        session = await self._engine.channel.recognise(coming.principal.key, write)
        if session is None:
            return None
        log.info("session_recognised", session=session[:8])
        return await self._attach(coming, session)

    async def _attach(
        self, coming: "_ConnectRequest", session: str, *, after: int | None = None
    ) -> StreamSource | None:
        attachment = await self._broker.attach(session, after=after)
        if attachment is None:
            return None
        log.info("stream_opened", session=session[:8], wire=WIRE)
        endpoint = f"{coming.root_path}{self._message_path}?session_id={session}"
        return StreamSource(
            attachment,
            session,
            greeting=sse_format.event(endpoint.encode(), name="endpoint"),
            may_leave=lambda: self._broker.is_shared and not self._engine.is_listening(session),
        )

    async def _open(self, coming: "_ConnectRequest") -> str:
        """Open a new session; for a client that comes again and will not initialize again, an initialized one.

        Raises:
            CapReachedError, BrokerUnavailableError.
        """
        record = SessionRecord(id=new_session_id(), owner=coming.principal.key, wire=WIRE)
        if coming.is_initialized:
            record.version, record.initialized = coming.version, True
        await self._broker.open(record, reconnect=coming.again)
        log.info("session_opened", session=record.id[:8], wire=WIRE, principal=record.owner[1], again=coming.again)
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
        self.again = self.seen is not None or self.is_initialized


class MessageHandler(TransportHandler):
    """POST: takes messages of a session, and answers 202 once they are recorded. Answers go over the stream."""

    methods = frozenset({"POST"})

    def __init__(
        self, engine: Dispatcher, broker: SessionBroker, *, guard: RequestChecks, draining: asyncio.Event
    ) -> None:
        self._engine = engine
        self._broker = broker
        self._guard = guard
        self._draining = draining
        self._intake = SessionPosts(
            engine, broker, wire=WIRE, how_to_open="Open a new one with GET on the SSE endpoint."
        )

    async def handle_request(self, request: Request, auth_info: Principal) -> ASGIApp:
        """Return 202, or refuse."""
        session = request.query_params.get("session_id", "")
        if not SESSION_ID.fullmatch(session):
            raise self._intake.unknown()
        if self._draining.is_set() and not (self._broker.is_shared or self._engine.is_busy(session)):
            raise errors.draining()  # its stream has ended: nobody would read the answer
        inbound, batch = await session_posts.read(self._guard, request)
        await self._intake.take(session, inbound, Caller(auth_info, public_headers(request)), batch=batch)
        return Reply(202, b"Accepted", {"content-type": "text/plain; charset=utf-8"})
