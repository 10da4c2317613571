"""The events of one session, bounded. Pure: the clock is handed in.

A log is kept for clients that come again: what they have not seen is still there. Each event belongs to one stream of
the session; numbers and bounds are those of the session. When the log is full, delivered events go first, then
notifications, then requests to the client, then answers. An answer leaves its id behind, so that its reader is told
`result_lost` instead of waiting in silence.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from mcp_types import RequestId

from transport.jsonrpc import result_lost

_LOST_BYTES = 100  # what an evicted answer still costs: its number, id and place in the log


class Kind(IntEnum):
    """What an event carries, in the order in which undelivered ones are given up."""

    NOTIFICATION = 1
    REQUEST = 2
    RESPONSE = 3


@dataclass(slots=True, eq=False)
class Event:
    """One message on its way to a client; `None` once an answer was given up."""

    number: int
    kind: Kind
    stored_at: float
    message: bytes | None
    request: RequestId | None = None
    """For an answer: what it answers."""
    writes: bool = False
    """For an answer: whether the call may have changed something."""
    written_at: float | None = None
    """When it was last written to the client."""
    stream: str = ""
    """Which stream it belongs to; empty for the standalone one."""

    def text(self) -> bytes:
        """Return the message, or what a client is told instead."""
        if self.message is not None:
            return self.message
        return result_lost(self.request, writes=self.writes)

    @property
    def cost(self) -> int:
        """Bytes that this event counts for."""
        return len(self.message) if self.message is not None else _LOST_BYTES


class EventLog:
    """Numbers events from 1 and keeps the newest of them.

    Args:
        max_events: whole events kept.
        max_bytes: bytes kept.
        max_lost: answers given up whose ids are kept.
    """

    def __init__(self, *, max_events: int, max_bytes: int, max_lost: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._max_lost = max_lost
        self._events: deque[Event] = deque()
        self._lost = 0
        self._last = 0
        self.bytes = 0
        """Bytes this log holds."""

    @property
    def last(self) -> int:
        """Number of the newest event; 0 before the first."""
        return self._last

    def append(
        self,
        kind: Kind,
        message: bytes,
        now: float,
        *,
        request: RequestId | None = None,
        writes: bool = False,
        stream: str = "",
    ) -> int:
        """Store `message` and return its number; what no longer fits is given up."""
        self._last += 1
        self._events.append(Event(self._last, kind, now, message, request, writes, stream=stream))
        self.bytes += len(message)
        self.shrink(self._max_bytes)
        return self._last

    def newer_than(self, number: int, stream: str = "") -> list[Event]:
        """Return the events of a stream after `number`, oldest first."""
        newer: list[Event] = []
        for event in reversed(self._events):
            if event.number <= number:
                break
            if event.stream == stream:
                newer.append(event)
        newer.reverse()
        return newer

    def delivered(self, events: Iterable[Event], now: float) -> None:
        """Note that `events` were written to the client."""
        for event in events:
            event.written_at = now

    def pending(self, written_since: float, stream: str = "") -> list[Event]:
        """Return what a client may not have of a stream that does not say what it has seen, oldest first.

        That is what was never written, and the answers written since that time: they may have been lost on the way.
        """
        return [
            event
            for event in self._events
            if event.stream == stream
            and (event.written_at is None or (event.kind is Kind.RESPONSE and event.written_at >= written_since))
        ]

    def rewind(
        self, number: int, responded: Iterable[tuple[int, RequestId, bool]], now: float, stream: str = ""
    ) -> None:
        """Note that a client has seen everything of a stream up to `number` and nothing later.

        Args:
            number: what the client saw last.
            responded: number, id and `writes` of the answers this log was given for that stream; those no longer kept
                are marked lost.
            now: the time.
            stream: which one.
        """
        kept = set[int]()
        for event in self._events:
            kept.add(event.number)
            if event.stream == stream:
                event.written_at = None if event.number > number else event.written_at or now
        for response, request, writes in responded:
            if response > number and response not in kept:
                self._events.append(Event(response, Kind.RESPONSE, now, None, request, writes, stream=stream))
                self.bytes += _LOST_BYTES
                self._lost += 1
        self._events = deque(sorted(self._events, key=lambda event: event.number))

    def response(self, number: int) -> bytes | None:
        """Return the message with this number while it is kept whole."""
        return next((event.message for event in self._events if event.number == number), None)

    def expire(self, before: float) -> None:
        """Forget what was stored before that time; an undelivered answer only loses its content."""
        for event in list(self._events):
            if event.stored_at >= before:
                break
            self._give_up(event)

    def shrink(self, max_bytes: int) -> None:
        """Give up events, the least needed first, until the log is within its bounds and `max_bytes`."""
        while self._is_over(max_bytes) and self._events[0].written_at is not None:
            self._remove(self._events[0])  # in a log of one stream that is all, and it is quick
        if not self._is_over(max_bytes):
            return
        for event in sorted(self._events, key=_worth):  # stable: oldest first among equals
            self._give_up(event)
            if not self._is_over(max_bytes):
                break
        while self._lost > self._max_lost:
            self._remove(next(event for event in self._events if event.message is None))

    def _is_over(self, max_bytes: int) -> bool:
        whole = len(self._events) - self._lost
        return whole > 0 and (whole > self._max_events or self.bytes > max_bytes)

    def _remove(self, event: Event) -> None:
        self._events.remove(event)  # compares by identity, and finds the oldest first
        self.bytes -= event.cost
        self._lost -= event.message is None

    def _give_up(self, event: Event) -> None:
        if event.kind is not Kind.RESPONSE or event.written_at is not None:
            self._remove(event)
        elif event.message is not None:
            self.bytes -= event.cost - _LOST_BYTES
            event.message = None
            self._lost += 1


def _worth(event: Event) -> int:
    """Return what is given up first when a log is full: what was delivered, then by kind."""
    return 0 if event.written_at is not None else event.kind
