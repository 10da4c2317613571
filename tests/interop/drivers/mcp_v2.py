"""The Python SDK since 2.0; the mode selects how it negotiates."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from tests.interop.drivers.common import Connection, Reported, run


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    async with httpx2.AsyncClient(headers=received.headers) as http:
        if received.wire == "sse":
            transport = sse_client(received.url, headers=dict(received.headers))
        else:
            transport = streamable_http_client(received.url, http_client=http)
        async with Client(transport, mode=str(received.mode)) as client:

            async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
                result: Any = await client.call_tool(tool, arguments)
                return result.content[0].text, result.is_error

            listed = await client.list_tools()
            yield Connection(client.protocol_version, [tool.name for tool in listed.tools], call)


if __name__ == "__main__":
    run(connect)
