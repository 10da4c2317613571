"""A stream of a session as the body of an HTTP answer: until nothing is owed, its client leaves, or it is time.

A plain ASGI callable: half the memory of a framework's streaming response, and no thread or poll behind it.
Source: WHATWG HTML, section 9.2.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from shared.telemetry import get_logger
from transport.http import sse_format
from transport.http.stream_slots import StreamSlot
from transport.sessions.broker import BrokerUnavailableError, StreamReader
from transport.sessions.event_log import Event
from transport.sessions.session import EventId, Limits

log = get_logger(__name__)

COME_BACK_S: Final = 30.0
"""How long a client that comes again is kept waiting for the broker."""
_TRY_AGAIN_S: Final = 1.0
EVENT_STREAM: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # asks a buffering proxy in between to pass events on at once
)


@dataclass(frozen=True, slots=True)
class StreamSource:
    """What is to be streamed."""

    reader: StreamReader
    session: str
    name: str = ""
    """Name of the stream: empty for the standalone one, which has no end of its own; another ends when all requests of
    its POST are answered."""
    preamble: bytes = b""
    """What is written first."""
    can_hand_over: Callable[[], bool] = lambda: False
    """Whether it may end at once when this instance is about to stop, because another one can go on with it; else it
    stays until nothing is owed."""


class EventStreamResponse:
    """A greeting, then messages and heartbeats.

    Args:
        opening: what is to be streamed, or finds out; may write to the stream meanwhile. None ends the stream, and
            its client comes again.
        limits: heartbeat, age and patience.
        draining: set when this instance is about to stop.
        slot: of this answer among those that are open; it is left when the stream ends.
        headers: of the answer, beside those that every stream has.
    """

    def __init__(
        self,
        opening: "StreamSource | Callable[[EventStreamResponse], Awaitable[StreamSource | None]]",
        *,
        limits: Limits,
        draining: asyncio.Event,
        slot: StreamSlot,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._opening = opening
        self._limits = limits
        self._draining = draining
        self._slot = slot
        self._is_cut = False
        self._headers = headers or {}
        self._reader = opening.reader if isinstance(opening, StreamSource) else None
        self.is_gone = False
        """Whether the client has left."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the ASGI signature
        """Stream."""
        self._send = send
        self._slot.cut = self._cut
        watch = asyncio.create_task(self._watch(receive))
        try:
            await self._run()
        except TimeoutError:
            # Returning with the answer unfinished makes the server cut the connection.
            log.warning("stream_not_read", after_s=self._limits.write_s)
        finally:
            watch.cancel()
            self._slot.release()
            if self._reader is not None:
                await self._reader.close()

    async def write(self, chunk: bytes, *, is_last: bool = False) -> None:
        """Send some bytes. Raises: TimeoutError when the client does not take them."""
        await self._put({"type": "http.response.body", "body": chunk, "more_body": not is_last})

    async def _put(self, message: Message) -> None:
        async with asyncio.timeout(self._limits.write_s):
            await self._send(message)

    async def once_possible(self, attempt: Callable[[], Awaitable[StreamSource | None]]) -> StreamSource | None:
        """Return what `attempt` returns as soon as the broker can be reached; None when it takes too long."""
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + COME_BACK_S
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
        """End it although something may be owed: whoever reads it may not any more."""
        self._is_cut = True
        if self._reader is not None:
            self._reader.wake()

    async def _run(self) -> None:
        headers = [*EVENT_STREAM, *((name.encode(), value.encode()) for name, value in self._headers.items())]
        # In time as well: an earlier answer may be in the way that nobody reads.
        await self._put({"type": "http.response.start", "status": 200, "headers": headers})
        wait_ms = random.randint(*self._limits.retry_ms)  # noqa: S311 - spreads clients out, no secret
        await self.write(sse_format.retry(wait_ms))
        source = self._opening if isinstance(self._opening, StreamSource) else await self._opening(self)
        if source is not None:
            self._reader = source.reader
            if source.preamble:
                await self.write(source.preamble)
            await self._pump(source)
        if not self.is_gone:
            await self.write(b"", is_last=True)

    async def _pump(self, source: StreamSource) -> None:
        reader, clock = source.reader, asyncio.get_running_loop().time
        rotation = clock() + self._limits.stream_s * random.uniform(0.9, 1.1)  # noqa: S311 - likewise
        while not self.is_gone and not await self._is_over(source, clock(), rotation):
            batch = await self._next(reader, clock(), rotation)
            if self.is_gone:
                return
            if batch is None:
                await self.write(sse_format.HEARTBEAT)
            elif batch:
                await self.write(b"".join(_encode(source, event) for event in batch))
                reader.delivered(batch)

    async def _is_over(self, source: StreamSource, now: float, rotation: float) -> bool:
        """Whether the stream has to end: at once when it was replaced, else when nothing is owed to its client."""
        reader = source.reader
        if self._is_cut or reader.ended or now > rotation + self._limits.overtime_s:
            return True
        if reader.has_news:
            return False
        if self._draining.is_set() and source.can_hand_over():
            return True
        may_end = self._draining.is_set() or source.name != "" or now >= rotation
        return may_end and await reader.is_settled()

    async def _next(self, reader: StreamReader, now: float, rotation: float) -> Sequence[Event] | None:
        """Wait for events; none when the stream is to look around, None when it is time for a heartbeat."""
        limit = rotation if now < rotation else rotation + self._limits.overtime_s
        until_limit = max(0.0, limit - now)
        try:
            async with asyncio.timeout(min(self._limits.heartbeat_s, until_limit)):
                return await reader.events()
        except TimeoutError:
            return None if until_limit > self._limits.heartbeat_s else ()


def _encode(source: StreamSource, event: Event) -> bytes:
    """Return the bytes of one event; without an id where its number is not known yet (0)."""
    event_id = str(EventId(source.session, event.number, source.name)) if event.number else None
    return sse_format.event(event.text(), event_id=event_id)
