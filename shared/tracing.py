"""The SDK's own tracing, where it still has something to do.

The SDK wraps every message in a span of OpenTelemetry. Ours is one for each request, with the log line it belongs to
(`shared.request_log`), so that calls past the SDK have one as well. Left to the SDK are notifications, servers in a
program that set a tracer provider of its own, and passing on the trace of a client that nobody here records.
"""

from typing import Any

from mcp.server._otel import OpenTelemetryMiddleware
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from opentelemetry import trace

from shared.spans import recorder


def trace_where_needed(server: Server[Any]) -> None:
    """Have a server trace only messages whose spans lead somewhere. Any other middleware stays as it is.

    A program with a tracer provider of its own sets it before, and keeps all spans of the SDK.
    """
    if recorder() is None and not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return
    server.middleware[:] = [
        _TracingWhereNeeded(one) if type(one) is OpenTelemetryMiddleware else one for one in server.middleware
    ]


class _TracingWhereNeeded:
    """Middleware in place of the SDK's: passes on to it what has no span of ours and leads somewhere.

    Without any recorder that is a message whose client traces it: a handler may pass this trace on.
    """

    def __init__(self, tracing: OpenTelemetryMiddleware) -> None:
        self._tracing = tracing

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        if recorder() is not None:
            is_needed = ctx.request_id is None
        else:
            is_needed = ctx.meta is not None and "traceparent" in ctx.meta
        return await (self._tracing(ctx, call_next) if is_needed else call_next(ctx))
