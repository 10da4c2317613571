"""Throttles similar audit events to one per minute with their number, so that a flood cannot fill the audit log.

The first event of a kind is recorded at once. Those of the following minute are counted and recorded as one at its end.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from shared.audit import AuditEvent, AuditTrail

QUIET_S: Final = 60.0
"""How long repeats of a recorded event are only counted, in seconds."""
SWEEP_S: Final = 5.0
ELSEWHERE: Final = "elsewhere"
"""Detail of the event that stands for all kinds beyond the limit."""


@dataclass(slots=True)
class _Lately:
    event: AuditEvent
    """The latest event."""
    recorded_at: float
    more: int = 0


class SparingTrail:
    """Records events and throttles repeats. Use inside `run()`; otherwise counted events are not recorded.

    Args:
        trail: receives the events.
        most: the number of kinds that are tracked separately.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, trail: AuditTrail, *, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._trail = trail
        self._most = most
        self._clock = clock
        self._lately: dict[Hashable, _Lately] = {}

    async def record(self, kind: Hashable, event: AuditEvent) -> None:
        """Record `event`, or count it if an event of the same `kind` was recorded within the last minute."""
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
        """Record counted events when their minute is over, and at the end."""
        sweeping = asyncio.create_task(self._keep_sweeping())
        try:
            yield
        finally:
            sweeping.cancel()
            await asyncio.wait((sweeping,))
            await self.sweep(older_than_s=0)

    async def _keep_sweeping(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            await self.sweep()

    async def sweep(self, *, older_than_s: float = QUIET_S) -> None:
        """Record the counted events of kinds last recorded at least `older_than_s` ago; forget kinds without any."""
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
