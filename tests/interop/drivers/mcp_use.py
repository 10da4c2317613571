"""mcp-use: its tools for LangChain, without an agent and so without a model.

It has no choice of transport: it tries Streamable HTTP at every address, then HTTP+SSE.
"""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

os.environ["MCP_USE_ANONYMIZED_TELEMETRY"] = "false"  # read when it is imported

from mcp_use import MCPClient
from mcp_use.agents.adapters.langchain_adapter import LangChainAdapter

from tests.interop.drivers import negotiated
from tests.interop.drivers.common import Connection, Reported, run


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    logging.getLogger("mcp_use").handlers = [logging.StreamHandler()]  # to stderr; stdout is for the report
    revisions = negotiated.watch()
    client = MCPClient({"mcpServers": {"tickets": {"url": received.url, "headers": dict(received.headers)}}})
    try:
        await client.create_session("tickets")
        adapter = LangChainAdapter()
        await adapter.create_tools(client)
        tools = {tool.name: tool for tool in adapter.tools}

        async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
            said = await tools[tool].ainvoke(arguments)
            return str(said), isinstance(said, dict)  # what it makes of an error

        yield Connection(revisions[-1], list(tools), call)
    finally:
        await client.close_all_sessions()


if __name__ == "__main__":
    run(connect)
