"""What the server says of itself: nothing that it does not do, and nothing twice.

The SDK declares prompts even if there are none. `prompts/list` goes on answering with an empty list, since clients ask
for it whatever is declared.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from mcp.server import MCPServer, ServerRequestContext
from mcp.server.caching import CacheHint
from mcp.server.context import CallNext, HandlerResult
from mcp_types.methods import CACHEABLE_METHODS
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

FRESH_MS: Final = 300_000
CACHE_HINTS: Final[Mapping[Any, CacheHint]] = MappingProxyType({
    method: CacheHint(FRESH_MS, "private") for method in sorted(CACHEABLE_METHODS)
})  # fmt: skip
"""A new version of the server, or a new role of the caller, is noticed after 5 minutes. Tools depend on the caller."""


class Announcements:
    """Middleware: corrects what `initialize`, `server/discover` and `tools/list` declare of `server`."""

    def __init__(self, server: MCPServer[Any]) -> None:
        self._server = server

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Serve one request."""
        result = await call_next(ctx)
        if not isinstance(result, dict):
            return result
        if "capabilities" in result and not await self._server.list_prompts():
            kept = {name: value for name, value in result["capabilities"].items() if name != "prompts"}
            return {**result, "capabilities": kept}
        if ctx.method == "tools/list" and ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return {**result, "tools": [_titled_once(tool) for tool in result["tools"]]}
        return result


def _titled_once(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool without the title in its annotations: clients of earlier revisions read it there."""
    if "annotations" not in tool:
        return tool
    return {**tool, "annotations": {name: value for name, value in tool["annotations"].items() if name != "title"}}
