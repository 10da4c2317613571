"""The SDK's tracing, where there is anything to trace for.

The SDK wraps every message in a span of OpenTelemetry. Without a tracer provider these spans go nowhere, but cost about
as much as all else that the SDK does for a call.
"""

from typing import Any

from mcp.server._otel import OpenTelemetryMiddleware
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from opentelemetry import trace


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
        # It may be set at any time. `get_tracer_provider` looks at the environment too, as the SDK did when it began.
        is_set = trace._TRACER_PROVIDER is not None  # noqa: SLF001
        if is_set or (ctx.meta is not None and "traceparent" in ctx.meta):
            return await self._tracing(ctx, call_next)
        return await call_next(ctx)
