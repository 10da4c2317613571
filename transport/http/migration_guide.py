"""The page for authors of clients: how to leave HTTP+SSE. Pure.

Its reader followed the `Link` of a response, so it says everything in one place and links to nothing of this
repository. docs/migration.md has the same changes, and tests/test_docs.py compares the two.
"""

from typing import Final

from transport.http.deprecation import DEPRECATED_ON, SUCCESSOR_PATH, Sunset

NO_ADDRESS: Final = "https://THIS-SERVER"
"""Stands for the server's address where it is not known, so that every line can still be copied."""
_CHANGES: Final = """\
  Claude Code (and the --header options that you had)
- claude mcp add --transport sse NAME OLD
+ claude mcp remove NAME
+ claude mcp add --transport http NAME NEW

  Claude Desktop, through mcp-remote: claude_desktop_config.json
- "args": ["mcp-remote", "OLD", "--transport", "sse-only"]
+ "args": ["mcp-remote", "NEW", "--transport", "http-only"]

  VS Code: mcp.json
- { "type": "sse", "url": "OLD" }
+ { "type": "http", "url": "NEW" }

  Cursor: mcp.json
- { "url": "OLD" }
+ { "url": "NEW" }

  Python: mcp 2
- from mcp.client.sse import sse_client
- sse_client("OLD", headers=headers)
+ from mcp.client.streamable_http import streamable_http_client
+ streamable_http_client("NEW", http_client=httpx2.AsyncClient(headers=headers, timeout=300))

  TypeScript: @modelcontextprotocol/sdk 1
- import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
- new SSEClientTransport(new URL("OLD"), options)
+ import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
+ new StreamableHTTPClientTransport(new URL("NEW"), options)
"""


def changes(address: str) -> str:
    """Return what to change in which client, as the text of a diff. `address` is that of the new endpoint."""
    old = f"{address.removesuffix(SUCCESSOR_PATH)}/sse"
    return _CHANGES.replace("OLD", old).replace("NEW", address)


def page(base: str, sunset: Sunset | None) -> str:
    """Return the whole page.

    Args:
        base: address of this server, or where the application is mounted when that is not known.
        sunset: the end of HTTP+SSE, if there is one.
    """
    address = f"{base if '://' in base else NO_ADDRESS + base}{SUCCESSOR_PATH}"
    return f"""\
# From HTTP+SSE to Streamable HTTP

{_when(sunset)}
MCP itself replaced HTTP+SSE by Streamable HTTP, in its revision {DEPRECATED_ON}.

What changes in a client: the name of the transport, and the address, which is now

    {address}

What stays: credentials and the header they are in, and everything the server offers.
A session cannot be taken along: connect once more.

```diff
{changes(address)}```

Clients not named here: choose "Streamable HTTP" (often called "http") instead of "SSE", and the new address.

Programs that speak the protocol themselves: there is one address now. POST each message to it, accept both
application/json and text/event-stream, and read the answer from the response to that very POST. The rules:
https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
"""


def _when(sunset: Sunset | None) -> str:
    if sunset is None:
        return "This server serves both. No end of HTTP+SSE (/sse, /messages) has been set; better move before one is."
    if sunset.is_over:
        return "HTTP+SSE (/sse, /messages) is not served here any more: it answers 410."
    return f"HTTP+SSE (/sse, /messages) ends here on {sunset.day} at 00:00 UTC; from then on it answers 410."
