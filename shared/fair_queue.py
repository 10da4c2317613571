"""A fair queue for one ticket API: organisations take turns, so a busy organisation delays itself, not the others.

- A single active organisation may hold all slots. While another is active, it may hold all but `KEPT`, so that the
  other's call starts at once instead of after the slowest call of the first.
- A slot that becomes free goes to the waiting organisations in turn, and within one to its oldest call.
- `MAX_WAITING` calls of one organisation may wait, each for a limited time; a waiting call has sent nothing.

With a free slot, a call does not wait: no timer, no future, no task switch.
Source: round robin over flows as in J. Nagle, "On Packet Switches With Infinite Storage", RFC 970.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

KEPT: Final = 2
"""Slots that one organisation leaves free while another is active."""
ACTIVE_S: Final = 60.0
"""Seconds an organisation counts as active after its last call."""
MAX_WAITING: Final = 100
"""Maximum waiting calls of one organisation."""


class QueueFullError(Exception):
    """The maximum number of this organisation's calls is already waiting."""


@dataclass(slots=True)
class _Line:
    """The calls of one organisation: the number with a slot, and the waiting ones, oldest first."""

    held: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class FairQueue:
    """The slots of one ticket API. For one event loop.

    Args:
        places: the number of slots, that is, of concurrent calls; at least one.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, places: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._free = places
        self._most_of_one = max(1, places - KEPT)
        self._clock = clock
        self._lines: dict[str, _Line] = {}
        """Organisations with calls that hold a slot or wait; others are removed."""
        self._turns: deque[str] = deque()
        """Organisations with waiting calls; the first is next."""
        self._latest = ("", float("-inf"))
        """Organisation and time of the last call."""
        self._other = ("", float("-inf"))
        """The same for the last call by any other organisation."""

    async def acquire(self, organisation: str, *, patience_s: float) -> None:
        """Take a slot, waiting up to `patience_s` seconds; `leave` returns it.

        Raises:
            QueueFullError: `MAX_WAITING` calls of this organisation are already waiting.
            TimeoutError: no slot became free in time.
        """
        if self._latest[0] != organisation:
            self._other = self._latest
        self._latest = (organisation, self._clock())
        line = self._lines.setdefault(organisation, _Line())
        if not line.waiting and self._may_have_slot(organisation, line):
            self._free -= 1
            line.held += 1
        elif len(line.waiting) >= MAX_WAITING:
            raise QueueFullError
        else:
            await self._wait(organisation, line, patience_s)

    def release(self, organisation: str) -> None:
        """Return a slot."""
        line = self._lines[organisation]
        line.held -= 1
        self._free += 1
        self._forget_if_empty(organisation, line)
        self._give_slots()

    async def _wait(self, organisation: str, line: _Line, patience_s: float) -> None:
        turn = asyncio.get_running_loop().create_future()
        if not line.waiting:
            self._turns.append(organisation)
        line.waiting.append(turn)
        try:
            async with asyncio.timeout(patience_s):
                await asyncio.shield(turn)  # may get its slot after the call was cancelled but before that takes effect
        except BaseException:
            if turn.done():  # the slot arrived just as the call was cancelled or timed out
                self.release(organisation)
            else:
                line.waiting.remove(turn)
                if not line.waiting:
                    self._turns.remove(organisation)
                self._forget_if_empty(organisation, line)
            raise

    def _give_slots(self) -> None:
        """Give free slots to the organisations in turn, until no waiting one may have another."""
        passed_over = 0
        while self._free and passed_over < len(self._turns):
            organisation = self._turns.popleft()
            line = self._lines[organisation]
            if self._may_have_slot(organisation, line):
                self._free -= 1
                line.held += 1
                line.waiting.popleft().set_result(None)
                passed_over = 0
            else:
                passed_over += 1
            if line.waiting:
                self._turns.append(organisation)

    def _may_have_slot(self, organisation: str, line: _Line) -> bool:
        return self._free > 0 and (line.held < self._most_of_one or self._is_alone(organisation))

    def _is_alone(self, organisation: str) -> bool:
        _, seen_at = self._other if self._latest[0] == organisation else self._latest
        return self._clock() - seen_at > ACTIVE_S

    def _forget_if_empty(self, organisation: str, line: _Line) -> None:
        if not line.held and not line.waiting:
            del self._lines[organisation]
