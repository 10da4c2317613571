"""The body of one GET on the SSE endpoint: bytes over time, until the session ends, its client leaves, or it is time.

A plain ASGI callable: half the memory of a framework's streaming response, and no thread or poll behind it.
Source: WHATWG HTML, section 9.2.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from starlette.types import Receive, Scope, Send

from shared.telemetry import get_logger
from transport import events
from transport.broker import Attachment
from transport.event_log import Event
from transport.session import EventId, Limits

log = get_logger(__name__)

Opened = tuple[Attachment, str]
"""The stream of a session, and the session's id."""


class Stream:
    """Exactly one `endpoint` event, then messages and heartbeats.

    Args:
        opening: finds out which session is to be streamed; may write to the stream meanwhile. None ends the stream,
            and its client comes again.
        endpoint: where to send messages, without the session.
        limits: heartbeat, age and patience.
        draining: set when this instance is about to stop.
        may_leave: whether the stream of a session may then end at once, because another instance can go on with it;
            else it stays until the session's calls are answered.
    """

    def __init__(
        self,
        opening: "Callable[[Stream], Awaitable[Opened | None]]",
        *,
        endpoint: str,
        limits: Limits,
        draining: asyncio.Event,
        may_leave: Callable[[str], bool],
    ) -> None:
        self._opening = opening
        self._endpoint = endpoint
        self._limits = limits
        self._draining = draining
        self._may_leave = may_leave
        self._attachment: Attachment | None = None
        self.is_gone = False
        """Whether the client has left."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the ASGI signature
        """Stream."""
        self._send = send
        watch = asyncio.create_task(self._watch(receive))
        try:
            await self._run(send)
        except TimeoutError:
            # Returning with the answer unfinished makes the server cut the connection.
            log.warning("stream_not_read", after_s=self._limits.write_s)
        finally:
            watch.cancel()
            if self._attachment is not None:
                await self._attachment.close()

    async def write(self, chunk: bytes, *, is_last: bool = False) -> None:
        """Send some bytes. Raises: TimeoutError when the client does not take them."""
        async with asyncio.timeout(self._limits.write_s):
            await self._send({"type": "http.response.body", "body": chunk, "more_body": not is_last})

    async def _watch(self, receive: Receive) -> None:
        """Notice that the client left."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.is_gone = True
        if self._attachment is not None:
            self._attachment.wake()

    async def _run(self, send: Send) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),  # asks a buffering proxy in between to pass events on at once
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        wait_ms = random.randint(*self._limits.retry_ms)  # noqa: S311 - spreads clients out, no secret
        await self.write(events.retry(wait_ms))
        opened = await self._opening(self)
        if opened is not None:
            self._attachment, session = opened
            await self.write(events.event(f"{self._endpoint}?session_id={session}".encode(), name="endpoint"))
            await self._pump(self._attachment, session)
        if not self.is_gone:
            await self.write(b"", is_last=True)

    async def _pump(self, attachment: Attachment, session: str) -> None:
        clock = asyncio.get_running_loop().time
        rotation = clock() + self._limits.stream_s * random.uniform(0.9, 1.1)  # noqa: S311 - likewise
        while not self.is_gone and not await self._is_over(attachment, session, clock(), rotation):
            batch = await self._next(attachment, clock(), rotation)
            if self.is_gone:
                return
            if batch is None:
                await self.write(events.HEARTBEAT)
            elif batch:
                await self.write(b"".join(_encode(session, event) for event in batch))
                attachment.delivered(batch)

    async def _is_over(self, attachment: Attachment, session: str, now: float, rotation: float) -> bool:
        """Whether the stream has to end: at once when it was replaced, else when nothing is owed to its client."""
        if attachment.ended or now > rotation + self._limits.overtime_s:
            return True
        if attachment.has_news:
            return False
        if self._draining.is_set():
            return self._may_leave(session) or await attachment.is_settled()
        return now >= rotation and await attachment.is_settled()

    async def _next(self, attachment: Attachment, now: float, rotation: float) -> Sequence[Event] | None:
        """Wait for events; none when the stream is to look around, None when it is time for a heartbeat."""
        limit = rotation if now < rotation else rotation + self._limits.overtime_s
        until_limit = max(0.0, limit - now)
        try:
            async with asyncio.timeout(min(self._limits.heartbeat_s, until_limit)):
                return await attachment.events()
        except TimeoutError:
            return None if until_limit > self._limits.heartbeat_s else ()


def _encode(session: str, event: Event) -> bytes:
    """Return the bytes of one event; without an id where its number is not known yet (0)."""
    event_id = str(EventId(session, event.number)) if event.number else None
    return events.event(event.text(), event_id=event_id)
