"""A server that only reads (`MCP_READ_ONLY`): tools that write are neither listed nor run, whatever the key."""

import time
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST

from shared.errors import TicketServerError
from shared.localization import localized
from shared.mcp_tools.call_log import CallLog, call_of
from shared.mcp_tools.catalog import TOOLS


class ReadOnlyServerError(TicketServerError):
    """The call would write, and this server only reads."""

    kind = "server_read_only"

    def __init__(self, tool: str) -> None:
        super().__init__(
            localized(
                "{tool} writes, and this server only reads (MCP_READ_ONLY). Nothing was changed; only its operator can "
                "allow writes.",
                tool=tool,
            )
        )


class RefuseWrites:
    """Middleware: refuses calls of the tools that write. The server does not list them."""

    def __init__(self, call_log: CallLog) -> None:
        self._call_log = call_log
        self._writers = {spec.name: spec for spec in TOOLS if not spec.read_only}

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Pass anything else on. Raises: MCPError."""
        name = (ctx.params or {}).get("name") if ctx.method == "tools/call" else None
        spec = self._writers.get(name) if isinstance(name, str) else None
        if spec is None:
            return await call_next(ctx)
        error = ReadOnlyServerError(spec.name)
        call = call_of(ctx, (ctx.params or {}).get("arguments"))
        await self._call_log.record(spec, call, error.kind, started=time.monotonic())
        raise MCPError(INVALID_REQUEST, str(error), {"kind": error.kind})
