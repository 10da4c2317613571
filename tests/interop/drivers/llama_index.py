"""LlamaIndex: MCP tools as function tools; each request has a session of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from llama_index.tools.mcp import BasicMCPClient, McpToolSpec

from tests.interop.drivers.common import Connection, Reported, run


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    client = BasicMCPClient(received.url, headers=dict(received.headers))
    tools = {tool.metadata.name: tool for tool in await McpToolSpec(client).to_tool_list_async()}

    async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
        said = await tools[tool].acall(**arguments)
        return said.content, said.raw_output.is_error

    async with client._run_session() as session:
        revision = str(session.protocol_version)
    yield Connection(revision, list(tools), call)


if __name__ == "__main__":
    run(connect)
