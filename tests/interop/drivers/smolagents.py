"""Hugging Face's smolagents: its MCP client, which connects in a thread of its own; tools are called directly.

A connection that fails is noticed only after `connect_timeout`; the reason is on stderr. So that time is short only for
the key that is refused.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from smolagents import MCPClient

from tests.interop.drivers import negotiated
from tests.interop.drivers.common import Connection, Reported, run

CONNECT_S: Final = 30
REFUSED_S: Final = 3


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    revisions = negotiated.watch()
    transport = {"sse": "sse", "http": "streamable-http"}[received.wire]
    server = {"url": received.url, "transport": transport, "headers": dict(received.headers)}
    connect_s = REFUSED_S if "wrong" in received.headers.values() else CONNECT_S
    with MCPClient(server, adapter_kwargs={"connect_timeout": connect_s}, structured_output=False) as listed:
        tools = {tool.name: tool for tool in listed}

        async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
            said = await asyncio.to_thread(tools[tool], **arguments)
            return said, False  # it does not pass on that a result is an error

        yield Connection(revisions[-1], list(tools), call)


if __name__ == "__main__":
    run(connect)
