"""The place of each request in the trace of its caller: in its log lines and, with OpenTelemetry, as its span.

Embedded in a server, whose lines have the place already, only the span is added.
Source: OpenTelemetry, semantic conventions for HTTP servers.
"""

from collections.abc import Awaitable
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.spans import SpanKind, Spans, recorder
from shared.telemetry import LogContext, current_trace
from shared.trace_context import path_of_ids, trace_fields, trace_of

METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "DELETE"})
_FIRST_FAULT: Final = 500
"""The lowest status that is an error of this side."""


class RequestTraces:
    """The outermost middleware: whatever refuses a request below it does so in the trace of its caller."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one connection."""
        spans = recorder()
        if scope["type"] != "http" or (spans is None and current_trace() is not None):
            return self.app(scope, receive, send)
        return self._in_log(scope, receive, send) if spans is None else self._in_span(spans, scope, receive, send)

    async def _in_log(self, scope: Scope, receive: Receive, send: Send) -> None:
        with LogContext(**trace_fields(trace_of(Headers(scope=scope)))):
            await self.app(scope, receive, send)

    async def _in_span(self, spans: Spans, scope: Scope, receive: Receive, send: Send) -> None:
        status = 500  # what the server answers if the application ends without a response

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        about = {"http.request.method": method, "url.path": path_of_ids(scope["path"])}
        about["url.scheme"] = scope.get("scheme", "http")
        span = spans.begin(method, SpanKind.SERVER, about, parent=trace_of(Headers(scope=scope)))
        try:
            with LogContext(**trace_fields(span.context)):
                await self.app(scope, receive, send_and_note)
        finally:
            error = str(status) if status >= _FIRST_FAULT else ""
            span.end({"http.response.status_code": status}, error=error)
