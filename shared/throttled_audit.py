"""Equal audit events, recorded at most once a minute with their number: a flood must not fill the audit trail.

The first event of a kind is recorded at once. Those of the next minute are counted, and recorded as one event after it.
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
"""How long repeats of a recorded event are only counted."""
SWEEP_S: Final = 5.0
MAX_KINDS: Final = 10_000
ELSEWHERE: Final = "elsewhere"
"""Detail of the event that stands for all kinds beyond those that are told apart."""


@dataclass(slots=True)
class _Counted:
    """One kind of event, since it was last recorded."""

    event: AuditEvent
    """The newest one."""
    recorded_at: float
    repeats: int = 0


class ThrottledAuditTrail:
    """Records events of each kind at most once a minute. Use inside `run()`, or counted events are not recorded.

    Args:
        trail: where events are recorded; None records nothing.
        max_kinds: kinds that are told apart at once.
        clock: seconds, monotonic.
    """

    def __init__(
        self, trail: AuditTrail | None, *, max_kinds: int = MAX_KINDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._trail = trail
        self._max_kinds = max_kinds
        self._clock = clock
        self._kinds: dict[Hashable, _Counted] = {}

    async def record(self, kind: Hashable, event: AuditEvent) -> None:
        """Record `event`, or count it if one of the same `kind` was recorded less than a minute ago."""
        if self._trail is None:
            return
        if kind not in self._kinds and len(self._kinds) >= self._max_kinds:
            kind, event = ELSEWHERE, replace(event, detail=ELSEWHERE)
        counted = self._kinds.get(kind)
        if counted is None:
            self._kinds[kind] = _Counted(event, self._clock())
            await self._trail.record(event)
        else:
            counted.event, counted.repeats = event, counted.repeats + 1

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Record counted events after their minute, and the rest when left."""
        at_exit = partial(self.sweep, older_than_s=0)
        async with periodic_task(self.sweep, name="record_counted_events", every_s=SWEEP_S, at_exit=at_exit):
            yield

    async def sweep(self, *, older_than_s: float = QUIET_S) -> None:
        """Record counted events whose kind was last recorded long enough ago; forget kinds without any."""
        now = self._clock()
        for kind, counted in list(self._kinds.items()):
            if now - counted.recorded_at < older_than_s:
                continue
            self._kinds.pop(kind, None)
            if counted.repeats and self._trail is not None:
                self._kinds[kind] = _Counted(counted.event, now)
                times = f"{counted.repeats} times" if counted.repeats > 1 else ""
                detail = ", ".join(filter(None, (counted.event.detail, times)))
                await self._trail.record(replace(counted.event, detail=detail))
