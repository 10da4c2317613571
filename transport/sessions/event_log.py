"""The bounded event log of one session. Pure: the caller passes the time.

The log serves clients that reconnect: it still has what they have not seen. Each event belongs to one stream of the
session; event numbers and bounds are per session. When the log is full, delivered events are evicted first, then
notifications, then requests to the client, then responses. An evicted response leaves its request id, so that its
reader gets `result_lost` instead of waiting.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from mcp_types import RequestId

from transport.jsonrpc import result_lost

_LOST_BYTES: Final = 100  # what an evicted response still takes: its number, request id and place in the log
_DELIVERED: Final = 0
_LOST: Final = 4


class Kind(IntEnum):
    """What an event carries, in the order in which undelivered events are evicted."""

    NOTIFICATION = 1
    REQUEST = 2
    RESPONSE = 3


@dataclass(slots=True, eq=False)
class Event:
    """One message to a client. `message` is None once a response was evicted."""

    number: int
    kind: Kind
    stored_at: float
    message: bytes | None
    request: RequestId | None = None
    """For a response: the id of its request."""
    writes: bool = False
    """For a response: whether the call may have changed something."""
    written_at: float | None = None
    """When it was last written to the client."""
    stream: str = ""
    """Name of its stream; empty for the standalone one."""

    def text(self) -> bytes:
        """Return the message, or the error that replaces an evicted response."""
        if self.message is not None:
            return self.message
        return result_lost(self.request, writes=self.writes)

    @property
    def cost(self) -> int:
        """Bytes that this event counts as."""
        return len(self.message) if self.message is not None else _LOST_BYTES


class EventLog:
    """Numbers events from 1 and keeps the newest of them.

    Args:
        max_events: how many complete events are kept.
        max_bytes: how many bytes are kept.
        max_lost: of how many evicted responses the request id is kept.
    """

    __slots__ = ("_always_fit", "_events", "_max_bytes", "_max_events", "_max_lost", "_ranks", "bytes", "last")

    def __init__(self, *, max_events: int, max_bytes: int, max_lost: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._max_lost = max_lost
        self._always_fit = min(max_events, max_lost)
        """So many events are within the bounds of their number, whatever they are."""
        self._events: dict[int, Event] = {}
        """By number, in its order."""
        self._ranks: tuple[dict[int, Event], ...] = ({}, {}, {}, {}, {})
        """The same events in the order in which they are evicted: see `_rank`."""
        self.last = 0
        """Number of the newest event; 0 before the first."""
        self.bytes = 0
        """Size of the log in bytes."""

    def append(
        self,
        kind: Kind,
        message: bytes,
        now: float,
        *,
        request: RequestId | None = None,
        writes: bool = False,
        stream: str = "",
    ) -> Event:
        """Store `message` as an event and return it; events that no longer fit are evicted."""
        self.last += 1
        event = Event(self.last, kind, now, message, request, writes, None, stream)
        self._events[self.last] = self._ranks[kind][self.last] = event
        self.bytes += len(message)
        if self.bytes > self._max_bytes or len(self._events) > self._always_fit:
            self.shrink(self._max_bytes)
        return event

    def newer_than(self, number: int, stream: str = "") -> list[Event]:
        """Return the events of a stream after `number`, oldest first."""
        newer: list[Event] = []
        if number >= self.last:
            return newer
        for event in reversed(self._events.values()):
            if event.number <= number:
                break
            if event.stream == stream:
                newer.append(event)
        newer.reverse()
        return newer

    def delivered(self, events: Iterable[Event], now: float) -> None:
        """Record that `events` were written to the client."""
        for event in events:
            is_kept = self._ranks[_rank(event)].pop(event.number, None) is not None
            event.written_at = now
            if is_kept:
                self._ranks[_DELIVERED][event.number] = event

    def pending(self, written_since: float, stream: str = "") -> list[Event]:
        """Return the events of a stream that its client may not have, if it does not name the last one; oldest first.

        These are the events that were never written, and the responses written since `written_since`: bytes may have
        been lost on the way.
        """
        return [
            event
            for event in self._events.values()
            if event.stream == stream
            and (event.written_at is None or (event.kind is Kind.RESPONSE and event.written_at >= written_since))
        ]

    def rewind(
        self, number: int, responses: Iterable[tuple[int, RequestId, bool]], now: float, stream: str = ""
    ) -> None:
        """Record that a client has seen everything of a stream up to `number` and nothing later.

        Args:
            number: the last event that the client saw.
            responses: number, request id and `writes` of the responses on that stream; those no longer kept are marked
                lost.
            now: the time.
            stream: name of the stream.
        """
        for event in self._events.values():
            if event.stream == stream:
                event.written_at = None if event.number > number else event.written_at or now
        lost = [
            Event(response, Kind.RESPONSE, now, None, request, writes, stream=stream)
            for response, request, writes in responses
            if response > number and response not in self._events
        ]
        events = sorted([*self._events.values(), *lost], key=lambda event: event.number)
        self.bytes = 0
        for kept in (self._events, *self._ranks):
            kept.clear()
        for event in events:
            self._events[event.number] = self._ranks[_rank(event)][event.number] = event
            self.bytes += event.cost

    def remove(self, numbers: Collection[int]) -> None:
        """Remove events, as if they had never been stored."""
        for number in numbers:
            if number in self._events:
                self._remove(self._events[number])

    def expire(self, before: float) -> None:
        """Remove events stored before that time; of an undelivered response only the message is removed."""
        for event in list(self._events.values()):
            if event.stored_at >= before:
                break
            self._evict(event)

    def shrink(self, max_bytes: int) -> None:
        """Evict events, the least needed first, until the log is within its bounds and `max_bytes`."""
        lost = self._ranks[_LOST]
        while (whole := len(self._events) - len(lost)) and (whole > self._max_events or self.bytes > max_bytes):
            self._evict(self._least_needed())
        while len(lost) > self._max_lost:
            self._remove(next(iter(lost.values())))

    def _least_needed(self) -> Event:
        return next(iter(next(filter(None, self._ranks)).values()))

    def _remove(self, event: Event) -> None:
        del self._events[event.number], self._ranks[_rank(event)][event.number]
        self.bytes -= event.cost

    def _evict(self, event: Event) -> None:
        if event.kind is not Kind.RESPONSE or event.written_at is not None:
            self._remove(event)
        elif event.message is not None:
            del self._ranks[event.kind][event.number]
            self.bytes -= event.cost - _LOST_BYTES
            event.message = None
            self._ranks[_LOST][event.number] = event


def _rank(event: Event) -> int:
    """Return how soon an event is evicted: delivered ones first, then by kind; of an evicted response little is left.

    Within a rank the one that entered it first.
    """
    if event.written_at is not None:
        return _DELIVERED
    return event.kind if event.message is not None else _LOST
