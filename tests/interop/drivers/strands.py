"""Amazon's Strands Agents: its MCP client, which connects in a thread of its own; tools are called directly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from strands.tools.mcp import MCPClient

from tests.interop.drivers.common import Connection, Reported, run


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    transport = {"sse": "sse", "http": "streamable-http"}[received.wire]
    server = {"transport": transport, "url": received.url, "headers": dict(received.headers)}
    (client,) = MCPClient.load_servers({"tickets": server})
    with client:
        tools = {tool.tool_name: tool for tool in client.list_tools_sync()}

        async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
            use = {"toolUseId": "1", "name": tool, "input": arguments}
            async for event in tools[tool].stream(use, {}):
                result = event.tool_result
            return result["content"][0]["text"], result["status"] == "error"

        yield Connection(client._background_thread_session.protocol_version, list(tools), call)


if __name__ == "__main__":
    run(connect)
