"""What the server says of itself: how long a client may keep it, and nothing twice."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from mcp.server import ServerRequestContext
from mcp.server.caching import CacheHint
from mcp.server.context import CallNext, HandlerResult
from mcp_types.methods import CACHEABLE_METHODS
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

FRESH_MS: Final = 300_000
CACHE_HINTS: Final[Mapping[Any, CacheHint]] = MappingProxyType({
    method: CacheHint(FRESH_MS, "private") for method in sorted(CACHEABLE_METHODS)
})  # fmt: skip
"""A new version of the server, or a new role of the caller, is noticed after 5 minutes. Tools depend on the caller."""


async def titled_once(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware of `tools/list`: lists tools with one title each, as clients of 2026-07-28 read them."""
    result = await call_next(ctx)
    if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return result
    return {**result, "tools": [_titled_once(tool) for tool in result["tools"]]} if isinstance(result, dict) else result


def _titled_once(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool without the title in its annotations: clients of earlier revisions read it there."""
    if "annotations" not in tool:
        return tool
    return {**tool, "annotations": {name: value for name, value in tool["annotations"].items() if name != "title"}}
