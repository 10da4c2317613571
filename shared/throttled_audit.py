"""Audit events that are alike, recorded once a minute with their number: a flood must not fill the record.

The first one of a kind is recorded at once. Those of the next minute are counted, and recorded as one when it is over.
"""

import time
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from shared.audit import AuditEvent, AuditTrail
from shared.periodic import periodic_task

QUIET_S: Final = 60.0
"""For how long what is like an event that was recorded is counted only."""
SWEEP_S: Final = 5.0
ELSEWHERE: Final = "elsewhere"
"""Detail of the event that stands for all kinds beyond those that are told apart."""


@dataclass(slots=True)
class _Lately:
    event: AuditEvent
    """The last one."""
    recorded_at: float
    more: int = 0


class SparingTrail:
    """Records events, sparingly. Wants `run` around it, else what was counted is not recorded.

    Args:
        trail: where to.
        most: kinds that are told apart at once.
        clock: seconds, monotonic.
    """

    def __init__(self, trail: AuditTrail, *, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._trail = trail
        self._most = most
        self._clock = clock
        self._lately: dict[Hashable, _Lately] = {}

    async def record(self, kind: Hashable, event: AuditEvent) -> None:
        """Record `event`, or count it with those that had the same `kind` lately."""
        if kind not in self._lately and len(self._lately) >= self._most:
            kind, event = ELSEWHERE, replace(event, detail=ELSEWHERE)
        lately = self._lately.get(kind)
        if lately is None:
            self._lately[kind] = _Lately(event, self._clock())
            await self._trail.record(event)
        else:
            lately.event, lately.more = event, lately.more + 1

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Record what was counted when its minute is over, and at the end."""
        at_exit = partial(self.sweep, older_than_s=0)
        async with periodic_task(self.sweep, name="record_counted_events", every_s=SWEEP_S, at_exit=at_exit):
            yield

    async def sweep(self, *, older_than_s: float = QUIET_S) -> None:
        """Record what was counted since it was recorded last, if that was long enough ago; forget what was quiet."""
        now = self._clock()
        for kind, lately in list(self._lately.items()):
            if now - lately.recorded_at < older_than_s:
                continue
            self._lately.pop(kind, None)
            if lately.more:
                self._lately[kind] = _Lately(lately.event, now)
                times = f"{lately.more} times" if lately.more > 1 else ""
                detail = ", ".join(filter(None, (lately.event.detail, times)))
                await self._trail.record(replace(lately.event, detail=detail))
