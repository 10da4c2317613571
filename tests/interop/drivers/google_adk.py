"""Google's Agent Development Kit: its toolset, without a running agent and so without a model."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from google.adk.agents import Agent
from google.adk.agents.invocation_context import InvocationContext
from google.adk.sessions import InMemorySessionService
from google.adk.tools.mcp_tool import McpToolset, SseConnectionParams, StreamableHTTPConnectionParams
from google.adk.tools.tool_context import ToolContext

from tests.interop.drivers.common import Connection, Reported, run


async def context() -> ToolContext:
    service = InMemorySessionService()
    session = await service.create_session(app_name="test", user_id="test")
    agent = Agent(name="test")
    return ToolContext(InvocationContext(session_service=service, invocation_id="1", agent=agent, session=session))


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    os.environ["ADK_ENABLE_MCP_MODERN_PROTOCOL"] = "1" if received.mode == "modern" else "0"
    params = {"sse": SseConnectionParams, "http": StreamableHTTPConnectionParams}[received.wire]
    toolset = McpToolset(connection_params=params(url=received.url, headers=dict(received.headers)))
    try:
        tools = {tool.name: tool for tool in await toolset.get_tools()}
        tool_context = await context()

        async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
            result = await tools[tool].run_async(args=arguments, tool_context=tool_context)
            if "error" in result:  # of the connection: the toolset does not raise it
                return result["error"], True
            return result["content"][0]["text"], result.get("isError", False)

        session = await toolset._mcp_session_manager.create_session()  # returns the session in use
        yield Connection(session.protocol_version, list(tools), call)
    finally:
        await toolset.close()


if __name__ == "__main__":
    run(connect)
