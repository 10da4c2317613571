"""AutoGen's MCP tools, which open a session for each call, in the workbench that an agent puts its tools in.

They return the content as JSON in which every character beyond ASCII is escaped; an error in the same form.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from autogen_core.tools import StaticWorkbench
from autogen_ext.tools.mcp import SseServerParams, StreamableHttpServerParams, mcp_server_tools

from tests.interop.drivers import negotiated
from tests.interop.drivers.common import Connection, Reported, run


@asynccontextmanager
async def connect(received: Reported) -> AsyncIterator[Connection]:
    revisions = negotiated.watch()
    params = {"sse": SseServerParams, "http": StreamableHttpServerParams}[received.wire]
    tools = await mcp_server_tools(params(url=received.url, headers=dict(received.headers)))
    workbench = StaticWorkbench(tools)

    async def call(tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
        result = await workbench.call_tool(tool, arguments)
        (content,) = json.loads(result.to_text())
        return content["text"], result.is_error

    yield Connection(revisions[-1], [tool.name for tool in tools], call)


if __name__ == "__main__":
    run(connect)
