"""Refused requests as audit events, throttled by principal: a client that is refused may try again and again."""

from collections.abc import Mapping
from typing import Final

from shared.audit import AuditEvent
from shared.identity import Principal
from shared.json_rpc import JSONRPCRequest
from shared.throttled_audit import ThrottledAuditTrail
from shared.trace_context import trace_of

_MAX_NAME: Final = 100


async def record_refusal(
    trail: ThrottledAuditTrail,
    principal: Principal,
    kind: str,
    headers: Mapping[str, str],
    *,
    request: JSONRPCRequest | None = None,
    detail: str = "",
) -> None:
    """Record or count that a request of `principal` was refused.

    Args:
        trail: where it is recorded.
        principal: who sent the request.
        kind: of the refusal.
        headers: of the HTTP request, lower-case names.
        request: the refused request, where it is known.
        detail: one more word.
    """
    tool = method = ""
    if request is not None and request.method == "tools/call":
        tool = str((request.params or {}).get("name", ""))[:_MAX_NAME]
    elif request is not None and kind == "insufficient_scope":
        method = request.method
    event = AuditEvent.by(
        principal,
        action="tool_call" if tool else "request",
        outcome=kind,
        tool=tool,
        object=method,
        request_id="" if request is None else str(request.id)[:_MAX_NAME],
        trace=trace_of(headers, None if request is None else request.params).trace,
        detail=detail,
    )
    # A missing scope concerns one tool or method; how often a principal may call concerns all of them together.
    await trail.record((*principal.key, kind, (tool or method) if kind == "insufficient_scope" else ""), event)
