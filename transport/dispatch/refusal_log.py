"""The log lines of what is refused: like those of other requests, but of one caller only so many in a second.

A flood must not fill the log, and nothing may be missing from it without a word: lines beyond `MOST` in a second are
counted, and one line says how many there were.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Final

from shared.errors import TicketServerError
from shared.identity import Principal
from shared.json_rpc import JSONRPCRequest
from shared.request_log import RequestLog
from shared.telemetry import LABELS, LogContext, get_logger
from shared.trace_context import trace_fields, trace_of
from transport.dispatch.context import Caller

log = get_logger(__name__)

MOST: Final = 50
"""Lines of one caller in a second. Who has proved nothing is one caller, together with all others of that kind."""
KEPT_CALLERS: Final = 10_000
"""Callers that are told apart in one second."""
BUSY: Final = "busy"
_EVERYONE_ELSE: Final = ("", "")


@dataclass(slots=True)
class _Second:
    """What was refused to one caller in a second."""

    fields: Mapping[str, object]
    """Who it is."""
    lines: int = 0
    more: int = 0
    """Refusals without a line."""


class RefusalLog:
    """Writes a line for each refusal, or counts it.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._second = 0
        self._callers: dict[Hashable, _Second] = {}
        self._timer: asyncio.TimerHandle | None = None

    def of_requests(
        self, error: TicketServerError, requests: Sequence[JSONRPCRequest], caller: Caller, wire: str, session: str = ""
    ) -> None:
        """Write the lines of MCP requests that `error` refuses together; see `of_request`."""
        for request in requests:
            self.of_request(error.kind, request, caller, wire, session)
        error.is_logged = bool(requests)

    def of_request(self, outcome: str, request: JSONRPCRequest, caller: Caller, wire: str, session: str = "") -> None:
        """Write the line of an MCP request that does not run.

        Args:
            outcome: the `kind` of the refusal.
            request: it.
            caller: who sent it.
            wire: on which it came.
            session: the id of its session; empty for none.
        """
        if self._has_line(caller.principal):
            with RequestLog(request, caller.principal, caller.headers, wire, session) as line:
                line.fields["outcome"] = outcome
                line.response = None, None

    def of_http(
        self, error: TicketServerError, status: int, headers: Mapping[str, str], principal: Principal | None
    ) -> None:
        """Write the line of an HTTP request that was refused before it was known what it asks for."""
        if not self._has_line(principal):
            return
        fields = trace_fields(trace_of(headers))
        if isinstance(error.request_id, int):
            fields["request_id"] = error.request_id
        with LogContext(**fields):
            log.info("request_refused", status=status, kind=error.kind)

    def flush(self) -> None:
        """Write how many refusals had no line."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        callers, self._callers = self._callers, {}
        for one in callers.values():
            if one.more:  # written outside of the request that is refused just now
                Context().run(log.warning, "refusals_not_listed", count=one.more, **one.fields)

    def _has_line(self, principal: Principal | None) -> bool:
        """Whether another refusal of this caller has a line in this second; if not, it is counted."""
        second = int(self._clock())
        if second != self._second:
            self.flush()
            self._second = second
        key: Hashable = _EVERYONE_ELSE if principal is None else principal.key
        if key not in self._callers and len(self._callers) >= KEPT_CALLERS:
            key, principal = _EVERYONE_ELSE, None
        caller = self._callers.setdefault(key, _Second(_who(principal)))
        if caller.lines < MOST:
            caller.lines += 1
            return True
        caller.more += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(1, self.flush)
        return False


def _who(principal: Principal | None) -> Mapping[str, object]:
    if principal is None:
        return {}
    tenant = principal.tenant.id
    return {"tenant": tenant, "principal": principal.id, LABELS: {"tenant": tenant}}
