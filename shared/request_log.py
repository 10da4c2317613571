"""The log line of each MCP request: what was asked for, on whose behalf, and how it ended; nothing of its contents.

The names of the trace's fields are those that Google Cloud Logging links to Cloud Trace.
Source: Google Cloud Logging, special fields of a structured payload.
"""

import time
from collections.abc import Mapping
from typing import Final

from mcp_types.methods import SPEC_CLIENT_METHODS

from shared.identity import Principal
from shared.json_rpc import JSONRPCRequest
from shared.telemetry import OTHER, LogContext, get_logger, trace_of

log = get_logger(__name__)

TRACE: Final = "logging.googleapis.com/trace"
SPAN: Final = "logging.googleapis.com/spanId"
_READS: Final = frozenset({"completion/complete", "prompts/get", "resources/read"})
_LONGEST_ID: Final = 100
_SHOWN_OF_SESSION: Final = 8
"""Characters of a session's id, which is a secret."""


class RequestLog(LogContext):
    """The log context of one request; its line is written when it is left.

    What only an inner layer knows is added there with `add_fields`: `tool` and `outcome` by the tool, `revision` and
    `client` by the kernel.

    Args:
        request: it.
        principal: who sent it.
        headers: of its HTTP request, by lower-case name.
        wire: on which it came.
        session: the id of its session; empty for none.
    """

    __slots__ = ("_method", "_principal", "_started", "_wire", "response")

    def __init__(
        self, request: JSONRPCRequest, principal: Principal, headers: Mapping[str, str], wire: str, session: str = ""
    ) -> None:
        self.fields = {"session": session[:_SHOWN_OF_SESSION]} if session else {}
        request_id = request.id
        self.fields["request_id"] = request_id if isinstance(request_id, int) else request_id[:_LONGEST_ID]
        trace, span = trace_of(headers, request.params)
        if trace:
            self.fields |= {TRACE: trace, SPAN: span} if span else {TRACE: trace}
        self._method = request.method
        self._principal = principal
        self._wire = wire
        self.response: tuple[bytes, int | None] = b"", None
        """The body, and the code of the error that it is; without a body, the request was cancelled."""
        self._started = time.perf_counter()

    def __exit__(self, *exc_info: object) -> None:
        """Write the line."""
        if log.informs:
            fields, method, (body, code) = self.fields, self._method, self.response
            fields["wire"] = self._wire
            fields["method"] = method if method in SPEC_CLIENT_METHODS else OTHER
            outcome = fields.setdefault("outcome", "ok" if body else "cancelled")
            if outcome == "ok" and code is not None:  # else it is known by a better word
                fields["outcome"] = str(code)
            tenths = int((time.perf_counter() - self._started) * 1e4 + 0.5)
            fields["duration_ms"] = tenths / 10
            fields["bytes"] = len(body)
            if self._principal.proof == "api_key":
                fields["key"] = self._principal.credential
            if method == "tools/call":
                log.info("tool_call_finished")
            elif method in _READS:
                log.info("read_finished")
            else:
                log.info("request_finished")
        super().__exit__(*exc_info)
