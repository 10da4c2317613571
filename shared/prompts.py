"""What is wrong with a request for a prompt: `MCPServer` reports it like any fault of its own."""

from collections.abc import Mapping
from typing import Any

from mcp.server import MCPServer
from mcp_types import INVALID_PARAMS, ErrorData


async def prompt_problem(server: MCPServer[Any], params: Mapping[str, Any]) -> ErrorData | None:
    """Return the error for parameters of `prompts/get` that name no prompt, or lack an argument; None for any other.

    Source: MCP server/prompts, "Error Handling": both are -32602.
    """
    name, given = params.get("name"), params.get("arguments") or {}
    if not isinstance(name, str) or not isinstance(given, Mapping):
        return None  # refused by the SDK's own validation
    prompt = next((one for one in await server.list_prompts() if one.name == name), None)
    if prompt is None:
        return ErrorData(code=INVALID_PARAMS, message=f"Unknown prompt: {name[:64]!r}")
    missing = [one.name for one in prompt.arguments or () if one.required and one.name not in given]
    if not missing:
        return None
    return ErrorData(code=INVALID_PARAMS, message=f"Missing prompt arguments: {', '.join(missing)}")
