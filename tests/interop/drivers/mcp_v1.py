"""The Python SDK before 2.0: a stream and a ClientSession over it. Also drives the bridges, over STDIO."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client  # type: ignore[attr-defined]  # gone in 2.0

from tests.interop.drivers.common import Connection, Reported, run


def streams(received: Reported) -> Any:
    if received.command:
        return stdio_client(StdioServerParameters(command=received.command[0], args=list(received.command[1:])))
    client = {"sse": sse_client, "http": streamablehttp_client}[received.wire]
    return client(received.url, headers=dict(received.headers))


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    async with streams(received) as (read, write, *_), ClientSession(read, write) as session:

        async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
            result: Any = await session.call_tool(tool, arguments)
            return result.content[0].text, result.isError

        greeted: Any = await session.initialize()
        listed = await session.list_tools()
        yield Connection(str(greeted.protocolVersion), [tool.name for tool in listed.tools], call)


if __name__ == "__main__":
    run(connect)
