"""A session of a single instance: its record, its claims, its log, and the readers of its streams."""

import asyncio
from collections.abc import Callable, Collection, Sequence

from transport.sessions.claims import Claims
from transport.sessions.event_log import Event, EventLog
from transport.sessions.session import Limits, SessionRecord


class MemorySession:
    """What is kept of one session."""

    __slots__ = ("claims", "detached_at", "log", "record", "seen_at", "streams")

    def __init__(self, record: SessionRecord, limits: Limits, now: float) -> None:
        self.record = record
        self.log = EventLog(
            max_events=limits.max_events, max_bytes=limits.max_log_bytes, max_lost=limits.max_request_ids
        )
        self.claims = Claims(limits.max_request_ids)
        self.streams: dict[str, MemoryStream] = {}
        self.seen_at = self.detached_at = now

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


class MemoryStream:
    """Reads a stream; see `broker.StreamReader`."""

    __slots__ = ("_clock", "_cursor", "_name", "_pending", "_session", "_wake", "ended")

    def __init__(
        self, session: MemorySession, name: str, cursor: int, pending: Sequence[Event], clock: Callable[[], float]
    ) -> None:
        self._session = session
        self._name = name
        self._cursor = cursor
        self._pending = pending
        self._clock = clock
        self._wake = asyncio.Event()
        self.ended = False

    @property
    def has_news(self) -> bool:
        """Whether events are waiting to be returned."""
        return bool(self._pending) or bool(self._session.log.newer_than(self._cursor, self._name))

    async def is_settled(self) -> bool:
        """Whether nothing waits, and nothing runs whose response belongs here."""
        return not self.has_news and not self._session.claims.is_pending(self._name)

    async def events(self) -> Sequence[Event]:
        """Wait for events; none after `wake`."""
        if not self.has_news:
            await self._wake.wait()
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

    def wake(self) -> None:
        """Make `events` return."""
        self._wake.set()

    def end(self) -> None:
        """End: another reader took the stream over, or nothing more will come."""
        self.ended = True
        self._wake.set()

    async def close(self) -> None:
        """Stop reading."""
        if self._session.streams.get(self._name) is self:
            del self._session.streams[self._name]
            self._session.detached_at = self._clock()
        self.end()
