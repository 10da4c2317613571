"""Places at one ticket API, given to organisations in turn: one that sends much delays itself, not the others.

- An organisation that is alone may hold all places. While another one is active it may hold all but `KEPT`, so that a
  call of the other one starts at once instead of after the slowest call of the first.
- A place that becomes free goes to the organisations that wait, in turn, and inside an organisation to its oldest call.
- `MAX_WAITING` calls of one organisation may wait, each for a limited time; nothing of a call that waits was sent.

With a free place there is nothing to wait for: no timer, no future, no switch to another task.
Source: round robin over flows as in J. Nagle, "On Packet Switches With Infinite Storage", RFC 970.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from shared.errors import TicketServerError

KEPT: Final = 2
"""Places that one organisation leaves free while another one is active."""
ACTIVE_S: Final = 60.0
"""Seconds after its last call for which an organisation counts as active."""
MAX_WAITING: Final = 100
"""Calls of one organisation that wait at the same time."""


class QueueFullError(TicketServerError):
    """So many calls of this organisation wait that a further one may not."""


@dataclass(slots=True)
class _Line:
    """The calls of one organisation: how many have a place, and those that wait, the oldest first."""

    held: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class FairQueue:
    """The places at one ticket API. For one event loop.

    Args:
        places: calls under way at the same time, at least one.
        clock: counts seconds and never goes back.
    """

    def __init__(self, places: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._free = places
        self._most_of_one = max(1, places - KEPT)
        self._clock = clock
        self._lines: dict[str, _Line] = {}
        """Of organisations with calls that have a place or wait; others are forgotten."""
        self._turns: deque[str] = deque()
        """Organisations with calls that wait; the first one is next."""
        self._latest = ("", float("-inf"))
        """Whose call came last, and when."""
        self._other = ("", float("-inf"))
        """The same of the last call of any other organisation."""

    async def enter(self, organisation: str, *, patience_s: float) -> None:
        """Take a place, to be given back by `leave`; wait for it up to `patience_s` seconds.

        Raises:
            QueueFullError: `MAX_WAITING` calls of this organisation wait already.
            TimeoutError: no place became free in time.
        """
        if self._latest[0] != organisation:
            self._other = self._latest
        self._latest = (organisation, self._clock())
        line = self._lines.setdefault(organisation, _Line())
        if not line.waiting and self._may_have_place(organisation, line):
            self._free -= 1
            line.held += 1
        elif len(line.waiting) >= MAX_WAITING:
            raise QueueFullError
        else:
            await self._wait(organisation, line, patience_s)

    def leave(self, organisation: str) -> None:
        """Give a place back."""
        line = self._lines[organisation]
        line.held -= 1
        self._free += 1
        self._forget_if_empty(organisation, line)
        self._give_places()

    async def _wait(self, organisation: str, line: _Line, patience_s: float) -> None:
        turn = asyncio.get_running_loop().create_future()
        if not line.waiting:
            self._turns.append(organisation)
        line.waiting.append(turn)
        try:
            async with asyncio.timeout(patience_s):
                await asyncio.shield(turn)  # which may get its place after its call was cancelled, before that has run
        except BaseException:
            if turn.done():  # the place came in the moment in which its call gave up
                self.leave(organisation)
            else:
                line.waiting.remove(turn)
                if not line.waiting:
                    self._turns.remove(organisation)
                self._forget_if_empty(organisation, line)
            raise

    def _give_places(self) -> None:
        """Give what is free to the organisations in turn. Afterwards none that waits may have a place."""
        passed_over = 0
        while self._free and passed_over < len(self._turns):
            organisation = self._turns.popleft()
            line = self._lines[organisation]
            if self._may_have_place(organisation, line):
                self._free -= 1
                line.held += 1
                line.waiting.popleft().set_result(None)
                passed_over = 0
            else:
                passed_over += 1
            if line.waiting:
                self._turns.append(organisation)

    def _may_have_place(self, organisation: str, line: _Line) -> bool:
        return self._free > 0 and (line.held < self._most_of_one or self._is_alone(organisation))

    def _is_alone(self, organisation: str) -> bool:
        _, seen_at = self._other if self._latest[0] == organisation else self._latest
        return self._clock() - seen_at > ACTIVE_S

    def _forget_if_empty(self, organisation: str, line: _Line) -> None:
        if not line.held and not line.waiting:
            del self._lines[organisation]
