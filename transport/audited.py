"""What was refused to whom is recorded, but not as often as it is tried: a flood must not fill the record.

The first refusal of a kind to a principal is recorded at once. Those of the next minute are counted, and recorded as
one entry when it is over.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from mcp_types import JSONRPCRequest

from shared.audit import AuditEvent, AuditTrail
from shared.identity import Principal
from shared.telemetry import trace_of

QUIET_S: Final = 60.0
"""For how long a refusal like one that was recorded is counted only."""
SWEEP_S: Final = 5.0
KEPT: Final = 10_000
"""Kinds of refusals that are told apart at once; of one more, the oldest is recorded anew when it comes again."""
_MAX_NAME: Final = 100
_Key = tuple[str, str, str, str]
"""Tenant, principal, kind and tool."""


@dataclass(slots=True)
class _Lately:
    event: AuditEvent
    at: float
    more: int = 0


class RefusalTrail:
    """Records refusals.

    Args:
        trail: where to; None records nothing.
        clock: seconds, monotonic.
    """

    def __init__(self, trail: AuditTrail | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._trail = trail
        self._clock = clock
        self._lately: OrderedDict[_Key, _Lately] = OrderedDict()

    async def refused(
        self,
        principal: Principal,
        kind: str,
        headers: Mapping[str, str],
        *,
        request: JSONRPCRequest | None = None,
        detail: str = "",
    ) -> None:
        """Record that something was refused to `principal`, or count it.

        Args:
            principal: to whom.
            kind: of the refusal.
            headers: of the HTTP request, lower-case names.
            request: what was refused, where it is known.
            detail: one more word.
        """
        if self._trail is None:
            return
        tool = ""
        if request is not None and request.method == "tools/call":
            tool = str((request.params or {}).get("name", ""))[:_MAX_NAME]
        event = AuditEvent.by(
            principal,
            action="tool_call" if tool else "request",
            outcome=kind,
            tool=tool,
            request_id="" if request is None else str(request.id)[:_MAX_NAME],
            trace=trace_of(headers),
            detail=detail,
        )
        # A missing scope is a word about one tool; how often somebody comes is one about all of them together.
        key = (*principal.key, kind, tool if kind == "insufficient_scope" else "")
        lately = self._lately.get(key)
        if lately is not None:
            lately.event, lately.more = event, lately.more + 1
            return
        self._lately[key] = _Lately(event, self._clock())
        if len(self._lately) > KEPT:
            self._lately.popitem(last=False)
        await self._trail.record(event)

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Record what was counted when its minute is over, and at the end."""
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
        """Record what was counted since it was recorded last, if that was long enough ago."""
        now = self._clock()
        for key, lately in list(self._lately.items()):
            if now - lately.at < older_than_s:
                continue
            self._lately.pop(key, None)
            if lately.more and self._trail is not None:
                self._lately[key] = _Lately(lately.event, now)
                times = f"{lately.more} times" if lately.more > 1 else ""
                detail = ", ".join(filter(None, (lately.event.detail, times)))
                await self._trail.record(replace(lately.event, detail=detail))
