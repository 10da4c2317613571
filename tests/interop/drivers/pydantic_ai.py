"""Pydantic AI's toolset: called directly, without an agent and so without a model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastmcp.exceptions import ToolError
from pydantic_ai.mcp import MCPToolset

from tests.interop.drivers.common import Connection, Reported, run


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    async with MCPToolset(received.url, headers=dict(received.headers), tool_error_behavior="error") as toolset:

        async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
            try:
                said = await toolset.direct_call_tool(tool, arguments)
            except ToolError as error:
                return str(error), True
            return str(said), False

        revision = toolset.client.initialize_result.protocolVersion
        yield Connection(str(revision), [tool.name for tool in await toolset.list_tools()], call)


if __name__ == "__main__":
    run(connect)
