"""The MCP Python SDK's own server over HTTP+SSE, as the SDK creates it: `python -m tests.sse_conformance.sdk_server`.

Prints its address to stdout and exits when stdin closes.
"""

import itertools
import os
import socket
import sys
import threading

import uvicorn
from mcp.server import MCPServer
from mcp_types import ToolAnnotations

server = MCPServer("sdk", log_level="CRITICAL")


calls = itertools.count(1)


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
async def count() -> str:
    """Return how often this tool was called: reveals a request that is run twice."""
    return str(next(calls))


def end_with_stdin() -> None:
    """Exit at once; there is nothing to save."""
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_stdin, daemon=True).start()
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    config = uvicorn.Config(server.sse_app(), log_level="critical", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])
