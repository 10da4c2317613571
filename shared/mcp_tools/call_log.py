"""Records each tool call: in the log, in a counter and, for writes and refusals, as an audit event.

Reads by other requests (resources, prompts, completion) are logged and, if refused, audited. A transport that writes a
line for each request gets fields for it; over STDIO there is none, so the line is written here.

Records hold ids and fixed words only. Of the call's contents, only the ids of the ticket and the acting user appear.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Any, Final

from mcp.server import ServerRequestContext

from shared.audit import AuditEvent, AuditTrail, keep
from shared.counting import MAX_TENANTS, BoundedLabels, Counter
from shared.identity import DEFAULT_TENANT, Scope, principal_of
from shared.mcp_tools.catalog import ToolSpec
from shared.telemetry import add_fields, current_trace, get_logger
from shared.tickets.acting_user import ToolCall
from shared.trace_context import trace_of
from shared.upstream.waiting import Waiting

log = get_logger(__name__)

_LONGEST_ID: Final = 50
_LONGEST_REQUEST_ID: Final = 100


class ReadKind(StrEnum):
    """Requests that read tickets and call no tool."""

    RESOURCE = "resource_read"
    PROMPT = "prompt_get"
    COMPLETION = "completion"


def call_of(ctx: ServerRequestContext[Any, Any], arguments: object) -> ToolCall:
    """Return the tool call of a request, with what is known before its arguments are validated."""
    request_id = str(ctx.request_id)[:_LONGEST_REQUEST_ID]
    return ToolCall(principal_of(ctx.request), None, _ticket_id(arguments), request_id, partial(_trace_of, ctx))


def _trace_of(ctx: ServerRequestContext[Any, Any]) -> str:
    current = current_trace()
    return trace_of(getattr(ctx.request, "headers", {}), ctx.params).trace if current is None else current.trace


def _ticket_id(arguments: object) -> str:
    """Return the ticket id that a call names, if it looks like an id; free text must not reach the records."""
    given = arguments.get("ticketId") if isinstance(arguments, dict) else None
    if isinstance(given, str) and len(given) <= _LONGEST_ID and given.isprintable() and " " not in given:
        return given
    return ""


class CallLog:
    """Records finished tool calls.

    Args:
        trail: receives the audit events.
        counter: counts `tool_calls` by tool, outcome and tenant, and takes their `own_time`.
    """

    def __init__(self, trail: AuditTrail, counter: Counter | None) -> None:
        self._trail = trail
        self._calls = None if counter is None else counter.labelled("tool_calls", "tool", "outcome", "tenant")
        self._own_time = None if counter is None else counter.histogram("own_time")
        self._tenants = BoundedLabels(MAX_TENANTS)

    async def record(
        self,
        spec: ToolSpec,
        call: ToolCall,
        outcome: str,
        *,
        started: float,
        waiting: Waiting | None = None,
        lacks: Scope | None = None,
    ) -> None:
        """Record a finished call.

        Args:
            spec: the tool.
            call: the call.
            outcome: `ok`, `cancelled`, or the kind of its error.
            started: start time on the monotonic clock, in seconds.
            waiting: how long it waited for the ticket API; None if it did not get there.
            lacks: the scope the caller lacked, if the call was refused for it.
        """
        if not add_fields({"tool": spec.name, "outcome": outcome}):
            log.info("tool_call_finished", tool=spec.name, outcome=outcome, **_when_and_who(call, started))
        if self._calls is not None and self._own_time is not None:
            now = time.monotonic()
            waited = 0.0 if waiting is None else waiting.seconds(now)
            self._own_time.observe(now - started - waited, spec.name)
            tenant = self._tenants.label((DEFAULT_TENANT if call.principal is None else call.principal.tenant).id)
            self._calls.add(spec.name, outcome, tenant)
        if lacks is not None or not spec.read_only:
            await keep(self._trail, _event("tool_call", spec.name, call, outcome, lacks))

    async def record_read(
        self, kind: ReadKind, name: str, call: ToolCall, outcome: str, *, started: float, lacks: Scope | None = None
    ) -> None:
        """Record a finished read, as `record` does a call; `name` is that of the prompt, or a URI template."""
        if not add_fields({"action": kind.value, "name": name, "outcome": outcome}):
            who = _when_and_who(call, started)
            log.info("read_finished", action=kind.value, name=name, outcome=outcome, **who)
        if lacks is not None:
            await keep(self._trail, _event(kind.value, name, call, outcome, lacks))

    async def record_ticket(self, spec: ToolSpec, call: ToolCall, ticket_id: str, outcome: str) -> None:
        """Record what became of one of the tickets that a call writes."""
        await keep(self._trail, _event("tool_call", spec.name, replace(call, ticket_id=ticket_id), outcome, None))


class CallSteps:
    """Takes note of the steps of one call: audit events, and reports to its client.

    Args:
        call_log: records the events.
        spec: the tool.
        call: the call.
        report: sends progress to the client, if it asked for that.
    """

    def __init__(
        self,
        call_log: CallLog,
        spec: ToolSpec,
        call: ToolCall,
        report: Callable[[float, float | None, str | None], Awaitable[None]],
    ) -> None:
        self._call_log = call_log
        self._spec = spec
        self._call = call
        self._report = report

    async def wrote(self, ticket_id: str, outcome: str) -> None:
        """See `Steps`."""
        await self._call_log.record_ticket(self._spec, self._call, ticket_id, outcome)

    async def progress(self, done: int, total: int, message: str) -> None:
        """See `Steps`."""
        await self._report(done, total, message)


def _when_and_who(call: ToolCall, started: float) -> dict[str, object]:
    duration_ms = round((time.monotonic() - started) * 1e3, 1)
    who = {} if call.principal is None else {"tenant": call.principal.tenant.id, "principal": call.principal.id}
    return {"duration_ms": duration_ms, **who}


def _event(action: str, name: str, call: ToolCall, outcome: str, lacks: Scope | None) -> AuditEvent:
    return AuditEvent.by(
        call.principal,
        action=action,
        outcome=outcome,
        tool=name,
        object=call.ticket_id,
        acting_as="" if call.acting_as is None else call.acting_as.id,
        request_id=call.request_id,
        trace=call.trace_of(),
        detail="" if lacks is None else lacks.value,
    )
