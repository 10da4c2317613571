"""AutoGen's MCP workbench, which keeps one session."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from autogen_ext.tools.mcp import McpWorkbench, SseServerParams, StreamableHttpServerParams

from tests.interop.drivers import negotiated
from tests.interop.drivers.common import Connection, Reported, run


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    revisions = negotiated.watch()
    params = {"sse": SseServerParams, "http": StreamableHttpServerParams}[received.wire]
    async with McpWorkbench(params(url=received.url, headers=dict(received.headers))) as workbench:

        async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
            result = await workbench.call_tool(tool, arguments)
            return result.to_text(), result.is_error

        listed = await workbench.list_tools()
        yield Connection(revisions[-1], [tool["name"] for tool in listed], call)


if __name__ == "__main__":
    run(connect)
