"""A thousand requests over every wire, each with a trace of its own, and what the clients saw of each.

They are what a day has: reads that succeed, tickets that do not exist, wrong arguments, lists, a resource that nobody
has. Each client makes its requests one after the other; clients run side by side.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from tests.transport.http_client import ENVELOPE, MODERN, http_client
from tests.transport.sse_client import sse_session

HANDSHAKE: Final = "2025-11-25"
CLIENTS: Final = (
    ("sse", HANDSHAKE),
    ("streamable_http", HANDSHAKE),
    ("streamable_http", MODERN),
    ("streamable_http", MODERN),
)
"""The wire and revision of each client, as the log names them; a quarter of the requests each."""
_TRACE: Final = "c10d{:028x}"
_SPAN: Final = "0123456789abcdef"


def _tool(name: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    return "tools/call", {"name": name, "arguments": arguments}


ASKED: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    _tool("get_statuses"),
    _tool("get_ticket_detail", ticketId="TCK-0001"),
    _tool("get_ticket_list", limit=5),
    _tool("get_ticket_detail", ticketId="TCK-9999"),
    _tool("get_ticket_detail"),
    ("tools/list", {}),
    ("resources/read", {"uri": "ticket://nobody-has-this"}),
)


@dataclass(frozen=True)
class Asked:
    """One request and its outcome, as the client saw it."""

    trace: str
    wire: str
    revision: str
    method: str
    tool: str
    """Empty unless it was a call of a tool."""
    outcome: str
    """`ok`, the kind of a tool's error, or the code of a JSON-RPC error."""


Ask = Callable[[str, dict[str, Any], Mapping[str, str]], Awaitable[dict[str, Any]]]


async def thousand(address: str, key: str, requests: int = 1000) -> list[Asked]:
    """Make the requests; return what was asked and how it ended."""
    numbers = itertools.count()
    made: list[Asked] = []

    async def client(wire: str, revision: str) -> None:
        async with asking(wire, revision, address, {"x-api-key": key}) as ask:
            for _ in range(requests // len(CLIENTS)):
                number = next(numbers)
                method, params = ASKED[number % len(ASKED)]
                trace = _TRACE.format(number)
                response = await ask(method, params, {"traceparent": f"00-{trace}-{_SPAN}-01"})
                tool = str(params["name"]) if method == "tools/call" else ""
                made.append(Asked(trace, wire, revision, method, tool, outcome(response)))

    async with asyncio.TaskGroup() as group:
        for wire, revision in CLIENTS:
            group.create_task(client(wire, revision))
    return made


def outcome(response: Mapping[str, Any]) -> str:
    """Return how a request ended, in the word of its log line: the kind of its error, or else its code."""
    if "error" in response:
        error = response["error"]
        return str((error.get("data") or {}).get("kind", error["code"]))
    result = response["result"]
    return str(result["structuredContent"]["error"]["kind"]) if result.get("isError") else "ok"


@asynccontextmanager
async def asking(wire: str, revision: str, address: str, headers: Mapping[str, str]) -> AsyncGenerator[Ask]:
    """Connect; what is yielded sends a request with further headers, and returns its response."""
    ids = itertools.count(1000)
    if wire == "sse":
        async with sse_session(address, headers) as session:

            async def over_sse(method: str, params: dict[str, Any], more: Mapping[str, str]) -> dict[str, Any]:
                number = next(ids)
                posted = await session.post(_request(number, method, params), **more)
                assert posted.status_code == 202, posted.text
                return await session.response(number)

            yield over_sse
        return
    async with http_client(address, headers, None if revision == MODERN else revision) as client:

        async def over_http(method: str, params: dict[str, Any], more: Mapping[str, str]) -> dict[str, Any]:
            number = next(ids)
            if revision == MODERN:
                named = str(params.get("name", params.get("uri", "")))
                params = params | {"_meta": ENVELOPE}
                more = {**more, "mcp-protocol-version": MODERN, "mcp-method": method, "mcp-name": named}
            response = await client.post(_request(number, method, params), **more)
            return dict(response.responses(number)[0])

        yield over_http


def _request(number: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def logged(said: str) -> list[dict[str, Any]]:
    """Return the lines of finished requests in the output of the instances."""
    lines = (json.loads(line) for line in said.splitlines() if line.startswith('{"') and '_finished"' in line)
    return [line for line in lines if "method" in line]
