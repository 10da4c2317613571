"""What the broker of a single instance keeps of one session, and the readers of its streams."""

import asyncio
from collections.abc import Callable, Collection, Sequence

from transport.sessions.broker import EventSink
from transport.sessions.claims import Claims
from transport.sessions.event_log import Event, EventLog
from transport.sessions.session import Limits, SessionRecord


class MemorySession:
    """What is kept of one session."""

    __slots__ = ("called_at", "claims", "detached_at", "is_used", "log", "opened_at", "record", "seen_at", "streams")

    def __init__(self, record: SessionRecord, limits: Limits, now: float) -> None:
        self.record = record
        self.log = EventLog(
            max_events=limits.max_events, max_bytes=limits.max_log_bytes, max_lost=limits.max_request_ids
        )
        self.claims = Claims(limits.max_request_ids)
        self.streams: dict[str, MemoryStream] = {}
        self.opened_at = self.seen_at = self.detached_at = now
        self.called_at: float | None = None
        self.is_used = False
        """Whether its client asked for anything in it after `initialize`."""

    def wake(self) -> None:
        """Make the readers of all streams check for news."""
        for stream in self.streams.values():
            stream.wake()

    def withdraw(self, numbers: Collection[int]) -> None:
        """Remove responses that may not reach the client any more, written or not."""
        self.log.remove(numbers)
        for stream in self.streams.values():
            stream.withdraw(numbers)

    @property
    def left_at(self) -> float | None:
        """When the client was last heard of; None while it reads a stream."""
        return None if self.streams else max(self.detached_at, self.seen_at)

    def may_make_room(self, left_before: float) -> bool:
        """Whether it may end at a cap: its client left before then, or has its id and never sent it back."""
        if self.left_at is None:
            return False
        was_ignored = self.record.version is not None and not (self.is_used or self.record.initialized)
        return was_ignored or self.left_at < left_before


class MemoryStream:
    """Reads a stream; see `broker.StreamReader`."""

    __slots__ = ("_clock", "_cursor", "_name", "_pending", "_session", "_sink", "_wake", "ended")

    def __init__(
        self, session: MemorySession, name: str, cursor: int, pending: Sequence[Event], clock: Callable[[], float]
    ) -> None:
        self._session = session
        self._name = name
        self._cursor = cursor
        self._pending = pending
        self._clock = clock
        self._wake = asyncio.Event()
        self._sink: EventSink | None = None
        """Set while `events` waits and nothing has to be returned."""
        self.ended = False

    @property
    def has_news(self) -> bool:
        """Whether events are waiting to be returned."""
        return bool(self._pending) or bool(self._session.log.newer_than(self._cursor, self._name))

    async def is_settled(self) -> bool:
        """Whether nothing waits, and nothing runs whose response belongs here."""
        return not self.has_news and self._name not in self._session.claims.pending

    async def events(self, sink: EventSink | None = None) -> Sequence[Event]:
        """Wait for events; none after `wake`."""
        if not (self.has_news or self._wake.is_set()):
            self._sink = sink
            try:
                await self._wake.wait()
            finally:
                self._sink = None
        self._wake.clear()
        batch = [*self._pending, *self._session.log.newer_than(self._cursor, self._name)]
        self._pending = ()
        self._cursor = self._session.log.last
        return batch

    def withdraw(self, numbers: Collection[int]) -> None:
        """Do not return these events."""
        self._pending = [event for event in self._pending if event.number not in numbers]

    def delivered(self, events: Sequence[Event]) -> None:
        """Record that events were written."""
        self._session.log.delivered(events, self._clock())

    def offer(self, event: Event) -> None:
        """Take an event that was just stored: write it at once where `events` waits with a sink, else return it."""
        if self._sink is None:
            self.wake()
            return
        self._cursor = event.number
        if not self._sink(event):
            self.wake()

    def wake(self) -> None:
        """Make `events` return."""
        self._sink = None
        self._wake.set()

    def end(self) -> None:
        """End: another reader took the stream over, or nothing more will come."""
        self.ended = True
        self.wake()

    async def close(self) -> None:
        """Stop reading."""
        if self._session.streams.get(self._name) is self:
            del self._session.streams[self._name]
            self._session.detached_at = self._clock()
        self.end()
