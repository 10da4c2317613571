"""Clients that leave during a call over Streamable HTTP: 2026-07-28 cancels it, earlier revisions continue it.

Observed where it matters: at the ticket API, whose request is dropped or continues.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.kills import kills
from tests.processes import API_KEY, KEY, http_door
from tests.shared.given import TICKET
from tests.slow_api import WAIT_S, Gate, gated_api
from tests.transport.sse_client import initialize_params, parse_events

SEEN_S: Final = 1.0
"""Seconds in which the API would see that a client of the server has left; where it must see it, it has longer."""
MODERN: Final = "2026-07-28"
AS_CLIENT: Final = {
    "x-api-key": KEY,
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
}
READ: Final[tuple[str, dict[str, Any]]] = ("get_ticket_detail", {"ticketId": "TCK-0001"})
WRITE: Final[tuple[str, dict[str, Any]]] = ("create_ticket", TICKET)
CALLS: Final = {"a read": READ, "a write": WRITE}


def holds_history_and_creation(method: str, path: str) -> bool:
    return path.endswith("/history") or (method, path) == ("POST", "/tickets")


@asynccontextmanager
async def door_over_a_slow_api(folder: Path) -> AsyncGenerator[tuple[Gate, str]]:
    """Start the server and, behind it, an API that holds the calls of these tests."""
    async with gated_api(holds_history_and_creation) as api:
        with http_door(folder, MCP_API_BASE_URL=api.address, MCP_API_KEY=API_KEY) as (address, _):
            yield api, address


def request(call: tuple[str, dict[str, Any]], **meta: Any) -> dict[str, Any]:
    params = {"name": call[0], "arguments": call[1]} | ({"_meta": meta} if meta else {})
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}


async def leave(task: "asyncio.Task[Any]") -> None:
    """Have a client abandon its call, which closes its connection."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_client_of_2026_07_28_that_leaves_has_its_call_cancelled_at_the_api(
    tmp_path: Path, call: tuple[str, dict[str, Any]]
) -> None:
    envelope = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    says = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": call[0]}
    async with door_over_a_slow_api(tmp_path) as (api, address), httpx2.AsyncClient(timeout=30) as http:
        body = request(call, **envelope)
        calling = asyncio.create_task(http.post(f"{address}/mcp", json=body, headers=AS_CLIENT | says))
        await api.until_held(1)
        assert api.left == []
        await leave(calling)
        await api.until_left(1, WAIT_S)


async def test_the_sdks_client_of_2026_07_28_that_times_out_has_its_call_cancelled_at_the_api(tmp_path: Path) -> None:
    async with (
        door_over_a_slow_api(tmp_path) as (api, address),
        httpx2.AsyncClient(headers={"x-api-key": KEY}, timeout=30) as http,
        Client(streamable_http_client(f"{address}/mcp", http_client=http), mode=MODERN) as client,
    ):
        calling = asyncio.create_task(client.call_tool(*READ))
        await api.until_held(1)
        await leave(calling)
        await api.until_left(1, WAIT_S)


@kills("transport/streamable_http.py", "if is_primed else None", "if False else None")
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_client_of_2025_11_25_that_leaves_gets_its_response_when_it_reconnects(
    tmp_path: Path, call: tuple[str, dict[str, Any]]
) -> None:
    async with door_over_a_slow_api(tmp_path) as (api, address), httpx2.AsyncClient(timeout=30) as http:
        opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize_params()}
        opened = await http.post(f"{address}/mcp", json=opening, headers=AS_CLIENT)
        session = AS_CLIENT | {
            "mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"
        }  # fmt: skip
        initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert (await http.post(f"{address}/mcp", json=initialized, headers=session)).status_code == 202

        seen = asyncio.get_running_loop().create_future()

        async def post() -> None:
            async with http.stream("POST", f"{address}/mcp", json=request(call), headers=session) as response:
                async for line in response.aiter_lines():
                    if line.startswith("id: "):
                        seen.set_result(line[4:])

        calling = asyncio.create_task(post())
        await api.until_held(1)
        last_event_id = await seen
        await leave(calling)
        with pytest.raises(TimeoutError):
            await api.until_left(1, SEEN_S)
        api.opened.set()
        rest = await http.get(f"{address}/mcp", headers=session | {"last-event-id": last_event_id})

    responses = [json.loads(data) for _, _, data in parse_events(rest.content) if data]
    assert [one["id"] for one in responses] == [7]
    assert not responses[0]["result"]["isError"]
    assert api.left == []
