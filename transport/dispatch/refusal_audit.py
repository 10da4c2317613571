"""What was refused to whom is recorded, but not as often as it is tried."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final

from mcp_types import JSONRPCRequest

from shared.audit import AuditEvent, AuditTrail
from shared.identity import Principal
from shared.telemetry import trace_of
from shared.throttled_audit import SparingTrail

KEPT: Final = 10_000
"""Kinds of refusals that are told apart at once: by organisation, principal, kind and tool."""
_MAX_NAME: Final = 100


class RefusalTrail:
    """Records refusals.

    Args:
        trail: where to; None records nothing.
        clock: seconds, monotonic.
    """

    def __init__(self, trail: AuditTrail | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._trail = None if trail is None else SparingTrail(trail, most=KEPT, clock=clock)

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
        await self._trail.record((*principal.key, kind, tool if kind == "insufficient_scope" else ""), event)

    def run(self) -> AbstractAsyncContextManager[None]:
        """Record what was counted when its minute is over, and at the end."""
        return nullcontext() if self._trail is None else self._trail.run()
