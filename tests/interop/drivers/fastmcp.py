"""FastMCP's client; the mode selects how it negotiates."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import SSETransport, StreamableHttpTransport

from tests.interop.drivers.common import Connection, Reported, run


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    transport = {"sse": SSETransport, "http": StreamableHttpTransport}[received.wire]
    async with Client(transport(received.url, headers=dict(received.headers)), mode=received.mode) as client:

        async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
            result = await client.call_tool(tool, arguments, raise_on_error=False)
            return result.content[0].text, result.is_error

        yield Connection(client.protocol_version, [tool.name for tool in await client.list_tools()], call)


if __name__ == "__main__":
    run(connect)
