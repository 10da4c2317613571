"""A stream of a session that is read on this instance, with its log on Valkey.

Events come as they are published. What was missed (a gap in the numbers, a lost subscription, a reader that was slower
than its queue may grow) is read from the log.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from mcp_types import RequestId

from transport.sessions.broker import BrokerUnavailableError, EventSink
from transport.sessions.event_log import Event, Kind
from transport.sessions.session import Limits, SessionRecord

_CERTAIN_S: Final = 10.0
"""How often it is kept which responses certainly arrived, where nothing else changes."""


class StreamLog(Protocol):
    """What a stream asks for: its way to the log. `local_streams.LocalStreams` is it."""

    @property
    def limits(self) -> Limits:
        """Bounds of this instance."""
        ...

    async def read(self, stream: "LocalStream") -> tuple[int, list[Event]] | None:
        """Return the number of the newest event and what was not queued. Raises: BrokerUnavailableError."""
        ...

    async def pending(self, session: str, after: int) -> tuple[int, int]:
        """Return how many attempts run and how many events are newer. Raises: BrokerUnavailableError."""
        ...

    def save_soon(self, stream: "LocalStream") -> None:
        """Keep at once how far a stream was written."""
        ...

    async def release(self, stream: "LocalStream") -> None:
        """Give up a stream that was closed."""
        ...


class LocalStream:
    """Reads one stream; see `broker.StreamReader`. The broker offers it what is published."""

    def __init__(self, log: StreamLog, session: str, name: str, token: str) -> None:
        self.session = session
        self.name = name
        """Empty for the standalone stream."""
        self.token = token
        self.record: SessionRecord | None = None
        """None until it is known that there is such a stream."""
        self.last = 0
        """Number of the stream's newest event that was queued, or passed over."""
        self.delivered_to = 0
        self.asked_to = 0
        self._log = log
        self._limits = log.limits
        self._clock = asyncio.get_running_loop().time
        self._queue = deque[Event]()
        self._bytes = 0
        self._expected = set[RequestId]()
        self._withdrawn: dict[RequestId | None, int] = {}
        """Requests that were claimed again, with the newest event from before."""
        self._is_behind = False
        self._has_missed = False
        self._wake = asyncio.Event()
        self._sink: EventSink | None = None
        """Set while `events` waits and nothing has to be returned."""
        self._written: deque[tuple[float, int]] = deque()
        self._saved: tuple[int, int, int] = (0, 0, 0)
        self._saved_at = self._clock()
        self.ended = False

    def begin(
        self, record: SessionRecord, *, last: int, pending: Sequence[Event] = (), expected: Iterable[RequestId] = ()
    ) -> None:
        """Read from here on.

        Args:
            record: of the session.
            last: number of the stream's newest event.
            pending: events that are returned first.
            expected: requests whose responses are still to come; a stream that has a name ends with the last of them.
        """
        self.record = record
        self.last = last
        for event in pending:
            self._take(event)
        self._expected.update(expected)

    # ---- what the stream of a wire uses

    async def events(self, sink: EventSink | None = None) -> Sequence[Event]:
        """Wait for events that were not returned yet."""
        while True:
            if self._is_behind and not self._queue:
                await self._catch_up()
                break  # also with nothing: only now it is known that nothing is pending, and the stream may have to end
            if self._queue or self._wake.is_set():
                break
            self._sink = sink
            try:
                await self._wake.wait()
            finally:
                self._sink = None
        self._wake.clear()
        batch = list(self._queue)
        self._queue.clear()
        self._bytes = 0
        return batch

    async def _catch_up(self) -> None:
        self._is_behind = False  # it may become true again before the log is read
        try:
            read = await self._log.read(self)
        except BrokerUnavailableError:
            self._has_missed = True
            return
        except asyncio.CancelledError:
            self._is_behind = True
            raise
        if read is not None:
            newest, events = read
            for event in events:
                if event.number > self.last:
                    self._take(event)
            self.last = max(self.last, newest)

    def delivered(self, events: Sequence[Event]) -> None:
        """Record that `events` were written."""
        numbers = [event.number for event in events]
        if not numbers:
            return
        self.delivered_to = max(self.delivered_to, *numbers)
        self._written.append((self._clock(), min(numbers)))
        if len(self._written) > self._limits.max_events:
            self._written.popleft()
        asked = [event.number for event in events if event.kind is Kind.REQUEST]
        if asked:
            self.asked_to = max(self.asked_to, *asked)
            self._log.save_soon(self)  # else a person would be asked twice after a reconnect

    def wake(self) -> None:
        """Make `events` return."""
        self._sink = None
        self._wake.set()

    async def close(self) -> None:
        """Stop reading."""
        self.end()
        await self._log.release(self)

    @property
    def is_complete(self) -> bool:
        """Whether it is the stream of a POST all of whose responses were written."""
        is_written = self.delivered_to >= self.last and not (self._expected or self.has_news or self.has_missed)
        return bool(self.name) and is_written

    @property
    def has_news(self) -> bool:
        """Whether events are waiting to be returned."""
        return bool(self._queue) or self._is_behind

    async def is_settled(self) -> bool:
        """Whether nothing is pending; False for the standalone stream while Valkey is away, since it is not known."""
        if self.has_news or self.has_missed:
            return False
        if self.name:
            return not self._expected
        try:
            pending = await self._log.pending(self.session, self.last)
        except BrokerUnavailableError:
            return False
        return pending == (0, 0) and not self.has_news  # a response may be on its way, or have come while we asked

    # ---- what the broker uses

    def offer(self, event: Event, before: int) -> None:
        """Take an event that was stored, if it is the next one after event `before` and there is room for it.

        It is written at once where `events` waits with a sink, else returned.
        """
        if event.number <= self.last:
            return
        if self._is_behind or self.record is None or before != self.last or not self._has_room(event):
            self._is_behind = True
        elif self._sink is None:
            self._take(event)
        elif not self._passes(event) or self._sink(event):
            return
        self.wake()

    def _take(self, event: Event) -> None:
        if self._passes(event):
            self._queue.append(event)
            self._bytes += event.cost

    def _passes(self, event: Event) -> bool:
        """Go on to an event; return whether its client is to have it."""
        self.last = max(self.last, event.number)
        if event.request is None:
            return True
        self._expected.discard(event.request)
        return event.number > self._withdrawn.get(event.request, 0)

    def withdraw(self, request: RequestId | None, until: int) -> None:
        """Return no response to an earlier attempt of `request`: none up to event `until`, queued or on its way."""
        kept = [event for event in self._queue if event.request != request or event.number > until]
        if len(kept) < len(self._queue):
            self._queue = deque(kept)
            self._bytes = sum(event.cost for event in kept)
        self._withdrawn = {one: number for one, number in self._withdrawn.items() if number > self.last}
        if until > self.last:
            self._withdrawn[request] = until

    def give_up(self, request: RequestId) -> None:
        """Expect no response to a request any more, unless it is in the log already."""
        self._expected.discard(request)
        self.fall_behind()

    def _has_room(self, event: Event) -> bool:
        return self._bytes + event.cost <= self._limits.max_log_bytes and len(self._queue) < self._limits.max_events

    def fall_behind(self) -> None:
        """Read the log once more: messages may have been missed."""
        self._is_behind, self._has_missed = True, False
        self.wake()

    @property
    def has_missed(self) -> bool:
        """Whether the log could not be read when that was needed."""
        return self._has_missed

    def end(self) -> None:
        """End the stream."""
        self.ended = True
        self.wake()

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait to be written."""
        return self._bytes

    def offsets(self) -> tuple[int, int, int]:
        """Return up to which event was written, up to which it certainly arrived, and the last request written."""
        while self._written and self._written[0][0] < self._clock() - self._limits.repeat_s:
            self._written.popleft()
        recent = min((number for _, number in self._written), default=self.delivered_to + 1)
        return self.delivered_to, recent - 1, self.asked_to

    def needs_saving(self, patience_s: float) -> bool:
        """Whether a reader that took over now would repeat too much, or the session would soon seem idle."""
        offsets, age = self.offsets(), self._clock() - self._saved_at
        return offsets[0] != self._saved[0] or (offsets != self._saved and age > _CERTAIN_S) or age > patience_s

    def saved(self, offsets: tuple[int, int, int]) -> None:
        """Record that these offsets are kept."""
        self._saved, self._saved_at = offsets, self._clock()
