"""The line of each request of a server that the SDK itself serves, as over STDIO; other wires write theirs."""

from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR

from shared.json_rpc import JSONRPCRequest
from shared.request_log import RequestLog


class RequestLines:
    """Middleware in front of all others, of a server over STDIO."""

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Run one message; a notification has no line."""
        if ctx.request_id is None:
            return await call_next(ctx)
        request = JSONRPCRequest(id=ctx.request_id, method=ctx.method, params=dict(ctx.params or {}))
        with RequestLog(request, None, {}, "stdio") as line:
            line.fields["revision"] = ctx.protocol_version
            try:
                result = await call_next(ctx)
            except MCPError as error:
                line.response = None, error.error.code
                raise
            except Exception:
                line.response = None, INTERNAL_ERROR
                raise
            line.response = None, None
            return result
