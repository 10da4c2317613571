"""The SDK's tracing, where there is anything to trace for.

The SDK wraps every message in a span of OpenTelemetry. Without a tracer provider these spans go nowhere, but cost about
as much as all else that the SDK does for a call.
"""

from typing import Any

from mcp.server._otel import OpenTelemetryMiddleware
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider


def trace_where_needed(server: Server[Any]) -> None:
    """Have a server trace only messages whose spans lead somewhere. Any other middleware stays as it is."""
    server.middleware[:] = [
        _TracingWhereNeeded(one) if type(one) is OpenTelemetryMiddleware else one for one in server.middleware
    ]


class _TracingWhereNeeded:
    """Middleware in place of the SDK's: passes a message on to it once a provider is set, or if its client traces it.

    The latter because a handler may pass the trace of its client on even though this process records none.
    """

    def __init__(self, tracing: OpenTelemetryMiddleware) -> None:
        self._tracing = tracing

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        is_set = not isinstance(get_tracer_provider(), ProxyTracerProvider)  # it may be set at any time
        if is_set or "traceparent" in (ctx.meta or {}):
            return await self._tracing(ctx, call_next)
        return await call_next(ctx)
