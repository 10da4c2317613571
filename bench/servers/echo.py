"""A server of the MCP SDK with one trivial tool, at both levels of the SDK."""

from typing import Any

import mcp_types as types
from mcp.server import MCPServer
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server


def high_level() -> MCPServer[Any]:
    """Return an `MCPServer` whose tool `echo` returns its text."""
    server: MCPServer[Any] = MCPServer("echo", log_level="ERROR")

    @server.tool()
    async def echo(text: str) -> str:
        """Return the text."""
        return text

    return server


async def _call(_: ServerRequestContext[Any], params: types.CallToolRequestParams) -> types.CallToolResult:
    text = (params.arguments or {})["text"]
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


def low_level() -> Server[Any]:
    """Return a low-level `Server` with the same tool, whose arguments are not checked."""
    return Server("echo", on_call_tool=_call)
