"""FastMCP with the trivial tool: `python -m bench.servers.fastmcp sse|http PORT`, in an environment of its own."""

import sys

from fastmcp import FastMCP

from bench.servers.serving import serve

if __name__ == "__main__":
    kind, port = sys.argv[1:]
    server = FastMCP("echo")

    @server.tool  # type: ignore[untyped-decorator]  # FastMCP is in an environment of its own
    async def echo(text: str) -> str:
        """Return the text."""
        return text

    serve(server.http_app(transport=kind), port)
