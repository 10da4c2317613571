"""Lists of this server have one page, so it issues no cursors, and every cursor it gets is invalid.

Source: modelcontextprotocol.io/specification/2025-11-25/server/utilities/pagination, "Error Handling"
"""

from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS


async def refuse_cursors(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware of lists: refuses a cursor. An empty one is ignored: some clients send it for the first page."""
    if (ctx.params or {}).get("cursor"):
        raise MCPError(INVALID_PARAMS, "That cursor is not one of this server: its lists have one page.")
    return await call_next(ctx)
