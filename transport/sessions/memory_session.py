"""A session of a single instance: its request ids, its log, and the streams that are read."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mcp_types import RequestId

from transport.sessions.event_log import Event, EventLog
from transport.sessions.session import SessionRecord


@dataclass(slots=True, eq=False)
class MemoryClaim:
    """A request id that was seen, and what became of it."""

    digest: bytes
    writes: bool
    stream: str
    running: bool = True
    response: int | None = None
    """Number of the event that answers it; None while running, or when it was cancelled."""


class MemorySession:
    """What is kept of one session."""

    __slots__ = ("claims", "detached_at", "log", "record", "running", "seen_at", "streams")

    def __init__(self, record: SessionRecord, log: EventLog, now: float) -> None:
        self.record = record
        self.log = log
        self.claims: OrderedDict[RequestId, MemoryClaim] = OrderedDict()
        self.running: Counter[str] = Counter()
        """How many of them run, by the stream that they belong to; there may be thousands that do not."""
        self.streams: dict[str, MemoryStreamReader] = {}
        self.seen_at = now
        self.detached_at = now

    def wake(self) -> None:
        """Have every reader look for news."""
        for stream in self.streams.values():
            stream.wake()

    def count(self, stream: str, change: int) -> None:
        """Note that so many more calls run whose answers belong to `stream`."""
        self.running[stream] += change
        if not self.running[stream]:
            del self.running[stream]

    @property
    def left_at(self) -> float | None:
        """When its client was last heard of; None while it reads a stream."""
        return None if self.streams else max(self.detached_at, self.seen_at)


class MemoryStreamReader:
    """Somebody who reads a stream; see `broker.StreamReader`."""

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
        """Whether something waits to be written."""
        return bool(self._pending) or bool(self._session.log.newer_than(self._cursor, self._name))

    async def is_settled(self) -> bool:
        """Whether nothing waits, and nothing runs that is answered here."""
        return not self.has_news and not self._session.running[self._name]

    async def events(self) -> Sequence[Event]:
        """Wait for what is to be written next; nothing comes when somebody calls `wake`."""
        if not self.has_news:
            await self._wake.wait()
        self._wake.clear()
        batch = [*self._pending, *self._session.log.newer_than(self._cursor, self._name)]
        self._pending = ()
        self._cursor = self._session.log.last
        return batch

    def delivered(self, events: Sequence[Event]) -> None:
        """Note that events were written."""
        self._session.log.delivered(events, self._clock())

    def wake(self) -> None:
        """Have whoever waits for events look around."""
        self._wake.set()

    def end(self) -> None:
        """Read on no more: somebody else does, or nothing will come."""
        self.ended = True
        self._wake.set()

    async def close(self) -> None:
        """Leave the stream."""
        if self._session.streams.get(self._name) is self:
            del self._session.streams[self._name]
            self._session.detached_at = self._clock()
        self.end()
