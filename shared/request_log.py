"""The log line and the duration of each MCP request: what was asked for, by which principal, how it ended.

With OpenTelemetry configured, it is also the span of that request, whatever way the request takes to its tool.
Source of the span's names: OpenTelemetry, semantic conventions for MCP. The id of a session is a secret and left out.
"""

import time
from collections.abc import Mapping
from typing import Final

from mcp_types.methods import SPEC_CLIENT_METHODS

from shared.counting import OTHER, Histogram
from shared.identity import Principal
from shared.json_rpc import JSONRPCRequest
from shared.spans import OpenSpan, SpanKind, Spans, recorder
from shared.telemetry import LogContext, get_logger
from shared.trace_context import TRACE, TraceContext, new_trace, trace_fields, trace_of

log = get_logger(__name__)

REQUEST_LINES: Final = ("tool_call_finished", "read_finished", "request_finished")
"""The messages of these lines: each request leaves one of them."""
CANCELLED: Final = "cancelled"
_READS: Final = frozenset({"completion/complete", "prompts/get", "resources/read"})
_LONGEST_ID: Final = 100
_SHOWN_OF_SESSION: Final = 8
"""Characters of a session's id, which is a secret."""
UNKNOWN: Final = "unknown"
"""The revision of a request that was refused before it was known."""


def method_label(method: str) -> str:
    """Return `method`, or `other` if the specification has none of that name: it may be any text of a client's."""
    return method if method in SPEC_CLIENT_METHODS else OTHER


class RequestLog(LogContext):
    """The log context of one request; its line is written when it is left.

    What only an inner layer knows is added there with `add_fields`: `tool` and `outcome` by the tool, `revision` and
    `client` by the kernel. A request that names no trace gets one of its own, so that its lines can be found, here and
    in the ticket API.

    Args:
        request: it.
        principal: who sent it; None where there is one client, as over STDIO.
        headers: of its HTTP request, by lower-case name.
        wire: on which it came.
        session: the id of its session; empty for none.
    """

    __slots__ = ("_method", "_principal", "_span", "_started", "durations", "response")

    def __init__(
        self,
        request: JSONRPCRequest,
        principal: Principal | None,
        headers: Mapping[str, str],
        wire: str,
        session: str = "",
    ) -> None:
        self._method = method = request.method
        self._principal = principal
        fields: dict[str, object] = {"session": session[:_SHOWN_OF_SESSION]} if session else {}
        self.fields = fields
        request_id = request.id
        fields["request_id"] = request_id if isinstance(request_id, int) else request_id[:_LONGEST_ID]
        fields["wire"] = wire
        fields["method"] = method if method in SPEC_CLIENT_METHODS else OTHER
        place, spans = trace_of(headers, request.params), recorder()
        self._span: OpenSpan | None = None
        if spans is not None:
            self._span = self._begin(spans, place, headers)
            place = self._span.context
        if place.trace:
            fields |= trace_fields(place)
        else:
            fields[TRACE] = new_trace()
        self.response: tuple[bytes | None, int | None] | None = None
        """The body, or None if another layer has it, and the code of the error that it is; None when the request was
        cancelled."""
        self.durations: tuple[Histogram | None, float | None] = None, None
        """What takes how long it took, by method, tool, revision, wire and error; and when it had been read, by
        `time.perf_counter`, if that was before now."""
        self._started = time.perf_counter()

    def __exit__(self, *exc_info: object) -> None:
        """Write the line, observe the duration, and end the span."""
        fields, method, (durations, received) = self.fields, self._method, self.durations
        seconds = time.perf_counter() - (received or self._started)
        body, code = self.response or (b"", None)
        outcome = fields.setdefault("outcome", "ok" if self.response is not None else CANCELLED)
        if outcome == "ok" and code is not None:  # else it is known by a better word
            outcome = fields["outcome"] = str(code)
        if durations is not None:
            tool = fields.get("tool", OTHER) if method == "tools/call" else ""
            error, revision = "" if outcome == "ok" else outcome, fields.get("revision", UNKNOWN)
            durations.observe(seconds, fields["method"], tool, revision, fields["wire"], error)
        if log.informs:
            tenths = int(seconds * 1e4 + 0.5)
            fields["duration_ms"] = tenths / 10
            if body is not None:
                fields["bytes"] = len(body)
            if self._principal is not None and self._principal.proof == "api_key":
                fields["key"] = self._principal.credential
            if method == "tools/call":
                log.info("tool_call_finished")
            elif method in _READS:
                log.info("read_finished")
            else:
                log.info("request_finished")
        if self._span is not None:
            self._end(self._span, code)
        super().__exit__(*exc_info)

    def _begin(self, spans: Spans, place: TraceContext, headers: Mapping[str, str]) -> OpenSpan:
        """Begin the span below the place that the client names; if its HTTP hop is in another trace, that is linked."""
        fields = self.fields
        method = str(fields["method"])
        attributes: dict[str, str | int] = {"mcp.method.name": method, "jsonrpc.request.id": str(fields["request_id"])}
        attributes["network.transport"] = "pipe" if fields["wire"] == "stdio" else "tcp"
        if method == "tools/call":
            attributes["gen_ai.operation.name"] = "execute_tool"
        hop = trace_of(headers)
        link = hop if hop.trace and hop.trace != place.trace else None
        return spans.begin(method, SpanKind.SERVER, attributes, parent=place, link=link)

    def _end(self, span: OpenSpan, code: int | None) -> None:
        """End the span, with what is known by now."""
        fields, outcome = self.fields, str(self.fields["outcome"])
        attributes = {
            name: str(fields[field])
            for name, field in _OF_SPANS.items()
            if field in fields and (field != "name" or self._method == "prompts/get")
        }
        if code is not None:
            attributes["rpc.response.status_code"] = str(code)
        target = attributes.get("gen_ai.tool.name") or attributes.get("gen_ai.prompt.name")
        name = f"{fields['method']} {target}" if target else ""
        span.end(attributes, name=name, error="" if outcome in {"ok", CANCELLED} else outcome)


_OF_SPANS: Final = {
    "mcp.protocol.version": "revision",
    "gen_ai.tool.name": "tool",
    "gen_ai.prompt.name": "name",
    "ticket_server.tenant": "tenant",
    "ticket_server.wire": "wire",
    "ticket_server.outcome": "outcome",
}
"""Attributes of spans, and the fields of the line that they repeat."""
