"""The streams that are open here, and how many of them a principal may have."""

from collections.abc import Callable, Sequence
from typing import Self

from shared.errors import TicketServerError
from shared.identity import Principal
from transport.sessions.stream_counts import StreamCounts


class TooManyStreamsError(TicketServerError):
    """The principal reads as many streams as it may."""

    kind = "too_many_streams"

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most} streams open, which is the most. Close one of them, or try again later.")


class StreamSlot:
    """The place of one response that may stay open; it has to be released once that has ended.

    As a context manager it covers the time until there is a stream that will release it: a block that fails does.
    """

    __slots__ = ("_is_counted", "_streams", "cut", "principal")

    def __init__(self, streams: "OpenStreams", principal: Principal) -> None:
        self._streams = streams
        self._is_counted = False
        self.principal = principal
        self.cut: Callable[[], None] | None = None
        """Ends the stream, as soon as there is one to end; must not wait."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.release()

    async def acquire(self, *, is_reconnect: bool = False) -> None:
        """Count it among the streams of its principal, if there is room: twice as much for a client that reconnects.

        Raises:
            TooManyStreamsError.
        """
        most = self._streams.most * (2 if is_reconnect else 1)
        self._is_counted = await self._streams.counts.take(self.principal.key, most)
        if not self._is_counted:
            raise TooManyStreamsError(self._streams.most)

    def count(self) -> None:
        """Count it whether there is room or not: it answers a call that runs."""
        if not self._is_counted:
            self._streams.counts.add(self.principal.key)
            self._is_counted = True

    def release(self) -> None:
        """Note that it has ended."""
        self.cut = None  # else the two would keep each other alive
        self._streams.remove(self)
        if self._is_counted:
            self._streams.counts.drop(self.principal.key)
            self._is_counted = False


class OpenStreams:
    """Every response that is open here.

    Args:
        counts: counts streams.
        most: how many streams one principal may have.
    """

    def __init__(self, counts: StreamCounts, *, most: int) -> None:
        self.counts = counts
        self.most = most
        self._slots: dict[Principal, set[StreamSlot]] = {}
        """By what their credential proved then: a role that changed ends the streams from before, and no others."""

    def slot(self, principal: Principal) -> StreamSlot:
        """Return a new slot, which has to be released."""
        slot = StreamSlot(self, principal)
        self._slots.setdefault(principal, set()).add(slot)
        return slot

    def remove(self, slot: StreamSlot) -> None:
        """Forget a slot."""
        slots = self._slots.get(slot.principal)
        if slots is not None:
            slots.discard(slot)
            if not slots:
                del self._slots[slot.principal]

    def of(self, principal: Principal) -> Sequence[StreamSlot]:
        """Return the slots that were taken with one credential."""
        return list(self._slots.get(principal, ()))

    def principals(self) -> Sequence[Principal]:
        """Return what each credential proved that has a stream here."""
        return list(self._slots)
