"""The MCP SDK's own transports: `python -m bench.servers.sdk sse|http|json|catalog PORT`.

`http` answers with streams, which is the SDK's default, `json` with JSON. `catalog` lists the tools of this server.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from starlette.applications import Starlette

from bench.servers.echo import high_level
from bench.servers.serving import serve

CATALOG: Final = Path("tests/shared/snapshots/tools.json")


def catalog() -> Server[Any]:
    """Return a server with the tools of this one, which it can only list."""
    tools = [types.Tool.model_validate(tool) for tool in json.loads(CATALOG.read_text("utf-8"))]

    async def listed(_: ServerRequestContext[Any], __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools)

    return Server("catalog", on_list_tools=listed)


def app(kind: str) -> Starlette:
    """Return the application of one transport."""
    if kind == "sse":
        return high_level().sse_app()
    if kind == "catalog":
        return catalog().streamable_http_app(json_response=True)
    return high_level().streamable_http_app(json_response=kind == "json")


if __name__ == "__main__":
    serve(app(sys.argv[1]), sys.argv[2])
