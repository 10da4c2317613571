"""A stream of a session as the body of an HTTP response: until nothing is pending, its client leaves, or it is old.

Each response that stays open has a slot, so that a principal has a bounded number of them.

A plain ASGI callable: half the memory of a framework's streaming response, and no thread or poll behind it.
Source: WHATWG HTML, section 9.2.
"""

import asyncio
import random
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

from starlette.types import Message, Receive, Scope, Send

from shared.concurrency import Begun, within
from shared.counting import Counter
from shared.errors import TicketServerError
from shared.http.cycle import cycle_of
from shared.identity import Principal, PrincipalKey
from shared.telemetry import get_logger
from transport.http import sse_format
from transport.http.sse_format import EventId
from transport.sessions.broker import BrokerUnavailableError, EventSink, StreamReader
from transport.sessions.event_log import Event
from transport.sessions.session import Limits

log = get_logger(__name__)

RECONNECT_S: Final = 30.0
"""How long a client that reconnects is kept waiting for the broker."""
_TRY_AGAIN_S: Final = 1.0
EVENT_STREAM: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # asks a buffering proxy in between to pass events on at once
)


class TooManyStreamsError(TicketServerError):
    """The principal reads as many streams as it may."""

    kind = "too_many_streams"

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most} streams open, which is the most. Close one of them, or try again later.")


class OpenStreams:
    """Every response of this instance that stays open, and how many of them a principal has.

    Args:
        most: how many streams one principal may have.
        counter: counts streams of sessions that are opened, that go on where their client left, and that end.
    """

    def __init__(self, *, most: int, counter: Counter | None = None) -> None:
        self.most = most
        self._counter = counter
        self.counts: Tally[PrincipalKey] = Tally()
        """How many streams each principal has."""
        self._slots: dict[Principal, set[StreamSlot]] = {}
        """By what their credential proved then: a role that changed ends the streams from before, and no others."""

    def opened(self, wire: str) -> None:
        """Count a stream that begins."""
        if self._counter is not None:
            self._counter.count("streams_opened", wire=wire)

    def resumed(self, wire: str) -> None:
        """Count a stream that goes on where its client left."""
        if self._counter is not None:
            self._counter.count("streams_resumed", wire=wire)

    def ended(self, wire: str, reason: str) -> None:
        """Count a stream that ended."""
        if self._counter is not None:
            self._counter.count("streams_ended", wire=wire, reason=reason)

    def slot(self, principal: Principal) -> "StreamSlot":
        """Return a new slot, which has to be released."""
        return StreamSlot(self, principal)

    def add(self, slot: "StreamSlot") -> None:
        """Keep a slot whose stream can be ended."""
        self._slots.setdefault(slot.principal, set()).add(slot)

    def remove(self, slot: "StreamSlot") -> None:
        """Forget such a slot."""
        slots = self._slots.get(slot.principal)
        if slots is not None:
            slots.discard(slot)
            if not slots:
                del self._slots[slot.principal]

    def of(self, principal: Principal) -> "Sequence[StreamSlot]":
        """Return the slots of open streams that were taken with one credential."""
        return list(self._slots.get(principal, ()))

    def principals(self) -> Sequence[Principal]:
        """Return what each credential proved that has a stream here."""
        return list(self._slots)


class StreamSlot:
    """The place of one response that may stay open; it has to be released once that has ended.

    As a context manager it covers the time until there is a stream that will release it: a block that fails does.
    """

    __slots__ = ("_is_counted", "cut", "principal", "streams")

    def __init__(self, streams: OpenStreams, principal: Principal) -> None:
        self.streams = streams
        self._is_counted = False
        self.principal = principal
        self.cut: Callable[[], None] | None = None
        """Ends the stream, as soon as there is one to end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.release()

    def acquire(self, *, is_reconnect: bool = False) -> None:
        """Count it among the streams of its principal, if there is room: twice as much for a client that reconnects.

        Raises:
            TooManyStreamsError.
        """
        most = self.streams.most * (2 if is_reconnect else 1)
        if self.streams.counts[self.principal.key] >= most:
            raise TooManyStreamsError(self.streams.most)
        self.occupy()

    def occupy(self) -> None:
        """Count it whether there is room or not: it answers a call that runs."""
        if not self._is_counted:
            self.streams.counts[self.principal.key] += 1
            self._is_counted = True

    def open(self, cut: Callable[[], None]) -> None:
        """Let `cut`, which must not wait, end the stream with its credential."""
        self.cut = cut
        self.streams.add(self)

    def release(self) -> None:
        """Record that it has ended."""
        if self.cut is not None:
            self.cut = None  # else the two would keep each other alive
            self.streams.remove(self)
        if self._is_counted:
            self.streams.counts -= Tally([self.principal.key])  # keeps no principal without streams
            self._is_counted = False


@dataclass(frozen=True, slots=True)
class StreamSource:
    """What is to be streamed."""

    reader: StreamReader
    session: str
    name: str = ""
    """Name of the stream: empty for the standalone one, which has no end of its own; another ends when all requests of
    its POST have their responses."""
    preamble: bytes = b""
    """What is written first."""
    begins_at: EventId | None = None
    """Id of an event without data that is written first, so that a client that has seen nothing else can resume."""
    can_hand_over: Callable[[], bool] = lambda: False
    """Whether it may end at once when this instance is about to stop, because another one can go on with it; else it
    stays until nothing is pending."""


class EventStreamResponse:
    """A preamble, then messages and heartbeats.

    Args:
        source: what is to be streamed, or a function that finds out and may write to the stream meanwhile. Without a
            source the stream ends, and its client reconnects.
        wire: name of the wire, for counters.
        limits: heartbeat, age and time for one write.
        draining: set when this instance is about to stop.
        slot: of this stream among those that are open; it is released when the stream ends.
        headers: of the response, beside those that every stream has.
    """

    def __init__(
        self,
        source: "StreamSource | Callable[[EventStreamResponse], Awaitable[StreamSource | None]]",
        *,
        wire: str,
        limits: Limits,
        draining: asyncio.Event,
        slot: StreamSlot,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._source = source
        self._wire = wire
        self._limits = limits
        self._draining = draining
        self._slot = slot
        self._is_cut = False
        self._headers = headers or {}
        self._reader = source.reader if isinstance(source, StreamSource) else None
        self._unwritten: tuple[Event, Begun[None]] | None = None
        """An event whose write began where it was stored; the client did not read at that moment."""
        self.is_gone = False
        """Whether the client has left."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the ASGI signature
        """Stream."""
        self._send, self._cycle = send, cycle_of(send)
        self._slot.open(self._cut)
        self._slot.streams.opened(self._wire)
        watch = asyncio.create_task(self._watch(receive))
        reason = "aborted"
        try:
            reason = await self._run()
        except TimeoutError:
            reason = "too_slow"
            # Returning with the response unfinished makes the server cut the connection.
            log.warning("stream_not_read", after_s=self._limits.write_s)
        finally:
            watch.cancel()
            self._slot.release()
            self._slot.streams.ended(self._wire, reason)
            if self._reader is not None:
                await self._reader.close()

    async def write(self, chunk: bytes, *, is_last: bool = False) -> None:
        """Send some bytes. Raises: TimeoutError when the client does not take them."""
        await self._put({"type": "http.response.body", "body": chunk, "more_body": not is_last})

    async def _put(self, message: Message) -> None:
        await within(self._limits.write_s, self._send(message))

    async def once_possible(self, attempt: Callable[[], Awaitable[StreamSource | None]]) -> StreamSource | None:
        """Return what `attempt` returns as soon as the broker can be reached; None when it takes too long."""
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + RECONNECT_S
        while not (self._draining.is_set() or self.is_gone or self._is_cut):
            try:
                return await attempt()
            except BrokerUnavailableError:
                if clock() > give_up_at:
                    return None
                await self.write(sse_format.HEARTBEAT)
                await asyncio.sleep(_TRY_AGAIN_S)
        return None

    async def _watch(self, receive: Receive) -> None:
        """Notice that the client left."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.is_gone = True
        if self._reader is not None:
            self._reader.wake()

    def _cut(self) -> None:
        """End it although something may be pending: its reader may not read it any more."""
        self._is_cut = True
        if self._reader is not None:
            self._reader.wake()

    async def _run(self) -> str:
        """Stream until the end, and return why it came."""
        headers = [*EVENT_STREAM, *((name.encode(), value.encode()) for name, value in self._headers.items())]
        # Limited as well: an earlier response that is not read may be in the way.
        await self._put({"type": "http.response.start", "status": 200, "headers": headers})
        wait_ms = random.randint(*self._limits.retry_ms)  # noqa: S311 - spreads clients out, no secret
        await self.write(sse_format.retry(wait_ms))
        source = self._source if isinstance(self._source, StreamSource) else await self._source(self)
        if source is not None:
            self._reader = source.reader
            if source.preamble:
                await self.write(source.preamble)
            if source.begins_at is not None:
                await self.write(sse_format.event(b"", event_id=str(source.begins_at)))
            await self._pump(source)
        reason = self._reason(source)
        if not self.is_gone:
            await self.write(b"", is_last=True)
        return reason

    def _reason(self, source: StreamSource | None) -> str:
        """Return why a stream ends, as a word for counters."""
        if self.is_gone:
            return "client_gone"
        if self._is_cut:
            return "revoked"
        if source is not None and source.reader.ended:
            return "replaced"
        if self._draining.is_set():
            return "drained"
        if source is None:
            return "unavailable"
        return "rotated" if source.name == "" else "answered"

    async def _pump(self, source: StreamSource) -> None:
        reader, clock = source.reader, asyncio.get_running_loop().time
        rotation = clock() + self._limits.stream_s * random.uniform(0.9, 1.1)  # noqa: S311 - likewise
        while not self.is_gone and not await self._is_over(source, clock(), rotation):
            batch = await self._next(source, clock(), rotation)
            if self.is_gone:
                return
            if self._is_cut:
                continue  # what came at the last moment is not for this credential any more
            if self._unwritten is not None:
                await self._end_write(reader, *self._unwritten)
            if batch is None:
                await self.write(sse_format.HEARTBEAT)
            elif batch:
                await self.write(b"".join(_encode(source, event) for event in batch))
                reader.delivered(batch)

    def _write_now(self, source: StreamSource, event: Event) -> bool:
        """Write an event where it was stored, which saves a change of tasks; see `broker.EventSink`."""
        part = _encode(source, event)
        if self._cycle is None or not self._cycle.send_part(part):
            begun = Begun(self._send({"type": "http.response.body", "body": part, "more_body": True}))
            if not begun.is_done:
                self._unwritten = event, begun
                return False
        source.reader.delivered((event,))
        return True

    async def _end_write(self, reader: StreamReader, event: Event, begun: Begun[None]) -> None:
        """Wait until a client reads that did not at first. Raises: TimeoutError when it does not in time."""
        async with asyncio.timeout(self._limits.write_s):
            await begun
        self._unwritten = None
        reader.delivered((event,))

    async def _is_over(self, source: StreamSource, now: float, rotation: float) -> bool:
        """Whether the stream has to end: at once when it was replaced, else when nothing is pending for its client."""
        reader = source.reader
        if self._is_cut or reader.ended or now > rotation + self._limits.overtime_s:
            return True
        if reader.has_news:
            return False
        if self._draining.is_set() and source.can_hand_over():
            return True
        may_end = self._may_end(source, now, rotation)
        return may_end and await reader.is_settled()

    def _may_end(self, source: StreamSource, now: float, rotation: float) -> bool:
        """Whether it ends as soon as nothing is pending for its client."""
        return self._draining.is_set() or source.name != "" or now >= rotation

    async def _next(self, source: StreamSource, now: float, rotation: float) -> Sequence[Event] | None:
        """Wait for events. Empty when the stream has to check its state, None when a heartbeat is due."""
        sink: EventSink | None = partial(self._write_now, source)
        if self._may_end(source, now, rotation):
            sink = None  # whether it ends has to be checked after each event
        limit = rotation if now < rotation else rotation + self._limits.overtime_s
        until_limit = max(0.0, limit - now)
        try:
            async with asyncio.timeout(min(self._limits.heartbeat_s, until_limit)):
                return await source.reader.events(sink)
        except TimeoutError:
            return None if until_limit > self._limits.heartbeat_s else ()


def _encode(source: StreamSource, event: Event) -> bytes:
    event_id = sse_format.spelled(source.session, source.name, event.number)
    return sse_format.event(event.text(), event_id=event_id)
