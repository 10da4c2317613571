"""LangChain's adapters: MCP tools as LangChain tools, which raise if the result is an error."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.tools import ToolException
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools

from tests.interop.drivers.common import Connection, Reported, run


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    transport = {"sse": "sse", "http": "streamable_http"}[received.wire]
    server = {"transport": transport, "url": received.url, "headers": dict(received.headers)}
    client = MultiServerMCPClient({"tickets": server}, handle_tool_errors=False)
    async with client.session("tickets", auto_initialize=False) as session:
        greeted = await session.initialize()
        tools = {tool.name: tool for tool in await load_mcp_tools(session, handle_tool_errors=False)}

        async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
            try:
                said = await tools[tool].ainvoke(arguments)
            except ToolException as error:
                return str(error), True
            return said[0]["text"], False

        yield Connection(str(greeted.protocolVersion), list(tools), call)


if __name__ == "__main__":
    run(connect)
