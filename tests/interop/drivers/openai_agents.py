"""OpenAI's agents library: its MCP servers, without an agent and so without a model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agents.mcp import MCPServerSse, MCPServerStreamableHttp

from tests.interop.drivers.common import Connection, Reported, run


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    kind = {"sse": MCPServerSse, "http": MCPServerStreamableHttp}[received.wire]
    async with kind(params={"url": received.url, "headers": dict(received.headers)}) as server:

        async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
            result = await server.call_tool(tool, arguments)
            return result.content[0].text, result.isError

        revision = server.server_initialize_result.protocolVersion
        yield Connection(str(revision), [tool.name for tool in await server.list_tools()], call)


if __name__ == "__main__":
    run(connect)
