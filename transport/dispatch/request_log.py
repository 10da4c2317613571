"""The log line of each MCP request: what was asked for, on whose behalf, and how it ended; nothing of its contents.

The names of the trace's fields are those that Google Cloud Logging links to Cloud Trace.
Source: Google Cloud Logging, special fields of a structured payload.
"""

import time
from typing import Any, Final

from mcp_types import JSONRPCRequest
from mcp_types.methods import SPEC_CLIENT_METHODS

from shared.telemetry import OTHER, LogContext, get_logger, trace_of
from transport.dispatch.context import Caller, DispatchContext
from transport.dispatch.sdk_kernel import RequestOutcome

log = get_logger(__name__)

TRACE: Final = "logging.googleapis.com/trace"
SPAN: Final = "logging.googleapis.com/spanId"
_READS: Final = frozenset({"completion/complete", "prompts/get", "resources/read"})
_LONGEST_ID: Final = 100


class RequestLog(LogContext):
    """The log context of one request; its line is written when it is left.

    What only an inner layer knows is added there with `add_fields`: `tool` and `outcome` by the tool, `revision` and
    `client` by the kernel.

    Args:
        context: of the request.
        request: it.
        fields: of every line that is written meanwhile.
    """

    __slots__ = ("_caller", "_method", "_started", "_wire", "outcome")

    def __init__(self, context: DispatchContext, request: JSONRPCRequest, **fields: object) -> None:
        fields["request_id"] = request.id if isinstance(request.id, int) else request.id[:_LONGEST_ID]
        self._caller: Caller = context.message_metadata.request_context
        trace, span = trace_of(self._caller.headers, request.params)
        if trace:
            fields |= {TRACE: trace, SPAN: span} if span else {TRACE: trace}
        super().__init__(**fields)
        self._wire = context.wire
        self._method = request.method if request.method in SPEC_CLIENT_METHODS else OTHER
        self.outcome: RequestOutcome | None = None
        """The response; without one, the request was cancelled."""
        self._started = time.perf_counter()

    def __exit__(self, *exc_info: object) -> None:
        """Write the line."""
        principal = self._caller.principal
        body, code = self.outcome or (b"", None)
        outcome = self._fields.get("outcome", "ok" if body else "cancelled")
        if outcome == "ok" and code is not None:  # else it is known by a better word
            outcome = str(code)
        said: dict[str, Any] = {
            "wire": self._wire,
            "method": self._method,
            "outcome": outcome,
            "duration_ms": round((time.perf_counter() - self._started) * 1e3, 1),
            "bytes": len(body),
        }
        if principal.proof == "api_key":
            said["key"] = principal.credential
        if self._method == "tools/call":
            log.info("tool_call_finished", **said)
        elif self._method in _READS:
            log.info("read_finished", **said)
        else:
            log.info("request_finished", **said)
        super().__exit__(*exc_info)
