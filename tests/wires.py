"""Raw requests over every wire of the real programs: HTTP+SSE, `/mcp` in each revision, STDIO."""

import itertools
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from tests.stdio_door import stdio_door
from tests.transport.http_client import ENVELOPE, MODERN, http_client
from tests.transport.sse_client import sse_session

WIRES: Final = ("sse", "2025-03-26", "2025-06-18", "2025-11-25", MODERN, "stdio")


class Ask(Protocol):
    """Sends a request over one wire and returns its response."""

    async def __call__(self, method: str, params: dict[str, Any], /) -> dict[str, Any]: ...


@asynccontextmanager
async def asking(wire: str, door: str, headers: Mapping[str, str], folder: Path) -> AsyncGenerator[Ask]:
    """Connect to the HTTP server at `door`, or over STDIO to a server of its own with its files in `folder`."""
    async with AsyncExitStack() as stack:
        if wire == "sse":
            yield (await stack.enter_async_context(sse_session(door, headers))).request
            return
        if wire == "stdio":
            yield (await (await stack.enter_async_context(stdio_door(folder))).initialize()).request
            return
        is_modern = wire == MODERN
        client = await stack.enter_async_context(http_client(door, headers, None if is_modern else wire))
        ids = itertools.count()

        async def over_http(method: str, params: dict[str, Any]) -> dict[str, Any]:
            number, more = next(ids), {}
            if is_modern:
                params = params | {"_meta": ENVELOPE}
                more = {
                    "mcp-protocol-version": MODERN,
                    "mcp-method": method,
                    "mcp-name": params.get("name", params.get("uri", "")),
                }
            response = await client.post({"jsonrpc": "2.0", "id": number, "method": method, "params": params}, **more)
            return dict(response.responses(number)[0])

        yield over_http
