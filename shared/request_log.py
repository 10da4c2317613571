"""The log line and the duration of each MCP request: what was asked for, by which principal, how it ended.

The names of the trace's fields are those that Google Cloud Logging links to Cloud Trace.
Source: Google Cloud Logging, special fields of a structured payload.
"""

import time
from collections.abc import Mapping
from typing import Final

from mcp_types.methods import SPEC_CLIENT_METHODS

from shared.identity import Principal
from shared.json_rpc import JSONRPCRequest
from shared.telemetry import OTHER, Histogram, LogContext, get_logger, trace_of

log = get_logger(__name__)

TRACE: Final = "logging.googleapis.com/trace"
SPAN: Final = "logging.googleapis.com/spanId"
_READS: Final = frozenset({"completion/complete", "prompts/get", "resources/read"})
_LONGEST_ID: Final = 100
_SHOWN_OF_SESSION: Final = 8
"""Characters of a session's id, which is a secret."""
UNKNOWN: Final = "unknown"
"""The revision of a request that was refused before it was known."""


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

    __slots__ = ("_method", "_principal", "_started", "_wire", "durations", "response")

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
        self.durations: tuple[Histogram | None, float | None] = None, None
        """What takes how long it took, by method, tool, revision, wire and error; and when it had been read, by
        `time.perf_counter`, if that was before now."""
        self._started = time.perf_counter()

    def __exit__(self, *exc_info: object) -> None:
        """Write the line, and observe the duration."""
        fields, (body, code) = self.fields, self.response
        asked, (durations, received) = self._method, self.durations
        seconds = time.perf_counter() - (received or self._started)
        method = asked if asked in SPEC_CLIENT_METHODS else OTHER
        outcome = fields.setdefault("outcome", "ok" if body else "cancelled")
        if outcome == "ok" and code is not None:  # else it is known by a better word
            outcome = fields["outcome"] = str(code)
        if durations is not None:
            tool = fields.get("tool", OTHER) if method == "tools/call" else ""
            error, revision = "" if outcome == "ok" else outcome, fields.get("revision", UNKNOWN)
            durations.observe(seconds, method, tool, revision, self._wire, error)
        if log.informs:
            fields["wire"] = self._wire
            fields["method"] = method
            tenths = int(seconds * 1e4 + 0.5)
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
