"""AutoGen: its MCP workbench, which keeps one session, or its MCP tools, which open a session for each call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from autogen_core.tools import StaticWorkbench
from autogen_ext.tools.mcp import McpWorkbench, SseServerParams, StreamableHttpServerParams, mcp_server_tools

from tests.interop.drivers import negotiated
from tests.interop.drivers.common import Connection, Reported, run


async def workbench(received: Reported, server: Any) -> Any:
    if received.mode == "tools":
        return StaticWorkbench(await mcp_server_tools(server))  # as an agent does with its tools
    return McpWorkbench(server)


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    revisions = negotiated.watch()
    params = {"sse": SseServerParams, "http": StreamableHttpServerParams}[received.wire]
    server = params(url=received.url, headers=dict(received.headers))
    async with await workbench(received, server) as bench:

        async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
            result = await bench.call_tool(tool, arguments)
            return result.to_text(), result.is_error

        listed = await bench.list_tools()
        yield Connection(revisions[-1], [tool["name"] for tool in listed], call)


if __name__ == "__main__":
    run(connect)
