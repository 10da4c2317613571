"""Tools of the suite about duties of a transport: capabilities, closed streams, changes, no stray requests."""

import asyncio
from typing import Any, Final

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ClientCapabilities,
    InputRequiredResult,
    MissingRequiredClientCapabilityErrorData,
    SamplingCapability,
)

from tests.conformance.rounds import TOOLS, advance

AWAY_S: Final = 0.1
"""Seconds that `test_reconnection` continues once its stream is closed: enough for a client to wait elsewhere."""


def add_stateless(server: MCPServer[Any]) -> None:
    """Register the tools."""

    @server.tool()
    async def test_missing_capability(ctx: Context) -> str:
        """Refuse clients that do not support sampling."""
        if ctx.client_capabilities is None or ctx.client_capabilities.sampling is None:
            needed = ClientCapabilities(sampling=SamplingCapability())
            data = MissingRequiredClientCapabilityErrorData(required_capabilities=needed)
            raise MCPError(
                MISSING_REQUIRED_CLIENT_CAPABILITY,
                "This tool needs a client that can sample.",
                data.model_dump(mode="json", by_alias=True, exclude_none=True),
            )
        return "The client can sample."

    @server.tool(structured_output=False)
    async def test_streaming_elicitation(ctx: Context) -> str | InputRequiredResult:
        """Report progress, then request input: the stream may carry notifications and the result, but no request."""
        await ctx.report_progress(1, 2)
        return advance(TOOLS["elicitation"], ctx)

    @server.tool()
    async def test_reconnection(ctx: Context) -> str:
        """Close the stream of this call; the result waits for the client to reconnect (SEP-1699)."""
        await ctx.close_sse_stream()
        await asyncio.sleep(AWAY_S)
        return "Reconnection test completed."

    @server.tool()
    async def test_trigger_tool_change(ctx: Context) -> str:
        """Notify subscribers that the tools changed."""
        await ctx.notify_tools_changed()
        return "Notified."

    @server.tool()
    async def test_trigger_prompt_change(ctx: Context) -> str:
        """Notify subscribers that the prompts changed."""
        await ctx.notify_prompts_changed()
        return "Notified."
