"""Audits keys that were refused, without letting a flood of them fill the table.

The first refusal of an address is recorded at once, the others are counted and recorded once a minute.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.audit import AuditEvent, AuditTrail

EVERY_S: Final = 60.0
MOST_ADDRESSES: Final = 1_000
ELSEWHERE: Final = "elsewhere"
"""Stands for all further addresses while as many as can be told apart are counted."""


@dataclass(slots=True)
class _Counted:
    recorded_at: float
    more: int = 0
    credential: str = ""


class Refusals:
    """Counts refusals by address and kind. `flush` is to be called now and then."""

    def __init__(self, trail: AuditTrail, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._trail = trail
        self._seconds = seconds
        self._counted: dict[tuple[str, str], _Counted] = {}

    async def note(self, address: str, kind: str, *, credential: str = "") -> None:
        """Note that a key was refused; `credential` is its public id, if it has the form of one."""
        if (address, kind) not in self._counted and len(self._counted) >= MOST_ADDRESSES:
            address = ELSEWHERE
        counted = self._counted.get((address, kind))
        if counted is None:
            self._counted[address, kind] = _Counted(self._seconds())
            await self._record(address, kind, 1, credential)
        else:
            counted.more += 1
            counted.credential = credential

    async def flush(self, *, everything: bool = False) -> None:
        """Record what was counted for a minute, or `everything`, and forget addresses that were quiet."""
        now = self._seconds()
        for (address, kind), counted in list(self._counted.items()):
            if now - counted.recorded_at < EVERY_S and not everything:
                continue
            if counted.more:
                self._counted[address, kind] = _Counted(now)
                await self._record(address, kind, counted.more, counted.credential)
            else:
                self._counted.pop((address, kind), None)

    async def _record(self, address: str, kind: str, times: int, credential: str) -> None:
        detail = f"{kind} from {address}" if times == 1 else f"{kind} from {address}, {times} times"
        await self._trail.record(
            AuditEvent(action="authenticate", outcome="unauthenticated", credential=credential, detail=detail)
        )
