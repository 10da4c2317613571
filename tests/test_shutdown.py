"""SIGTERM in the middle of calls: every call gets a response, and the process exits with 0 in time.

Cloud Run sends SIGTERM and kills ten seconds later. The ticket API is slow, so that the calls are certainly in flight.
"""

import asyncio
import re
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2

from tests.kills import kills
from tests.processes import API_KEY, KEY, OPERATOR_KEY, Process, http_door
from tests.shared.given import TICKET
from tests.slow_api import Gate, gated_api
from tests.transport.sse_client import SseClient, initialize_params, sse_session

AS_CLIENT: Final = {"x-api-key": KEY}
AS_OPERATOR: Final = {"x-api-key": OPERATOR_KEY}
GONE_S: Final = 12.0
"""9 s are promised; the others are for a machine that stands still meanwhile."""
DRAIN_S: Final = 7.0
READ: Final = ("get_ticket_detail", {"ticketId": "TCK-0001"})
WRITE: Final = ("create_ticket", TICKET)


def holds_history_and_creation(method: str, path: str) -> bool:
    return path.endswith("/history") or (method, path) == ("POST", "/tickets")


@asynccontextmanager
async def door_over(api: Gate, folder: Path) -> AsyncGenerator[tuple[Process, SseClient]]:
    """The HTTP server over a slow API, and a session with it."""
    with http_door(folder, MCP_API_BASE_URL=api.address, MCP_API_KEY=API_KEY) as (address, process):
        async with sse_session(address, AS_CLIENT) as client:
            yield process, client


async def post_call(client: SseClient, request_id: str, call: tuple[str, dict[str, Any]]) -> None:
    """Post a call without waiting for its response."""
    tool, arguments = call
    params = {"name": tool, "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}
    assert (await client.post(message)).status_code == 202


def kind_of(response: dict[str, Any]) -> str:
    """Return why a call failed: as its result, or instead of one."""
    error = response["error"]["data"] if "error" in response else response["result"]["structuredContent"]["error"]
    return str(error["kind"])


async def until_draining(client: SseClient) -> None:
    """Wait until the server reports that it is draining."""
    async with asyncio.timeout(GONE_S):
        while (response := await client.http.get("/ready", headers=AS_OPERATOR)).status_code != 503:
            pass  # each iteration awaits a response
    assert response.json() == {"status": "unavailable", "reason": "draining"}


@kills("transport/server.py", "await self._transport.drain()", "pass")
async def test_calls_that_finish_during_the_drain_are_answered(tmp_path: Path) -> None:
    async with gated_api(holds_history_and_creation) as api, door_over(api, tmp_path) as (process, client):
        await post_call(client, "read", READ)
        await post_call(client, "write", WRITE)
        await api.until_held(2)
        asked_at = time.monotonic()
        process.ask_to_end()
        await until_draining(client)
        refused = await client.http.get("/sse", headers=AS_CLIENT)
        await post_call(client, "late", ("get_statuses", {}))
        late = await client.response("late")
        api.opened.set()
        read, write = await client.response("read"), await client.response("write")
        await client.until(client.ended.is_set)
        code = await asyncio.to_thread(process.wait)
        took = time.monotonic() - asked_at

    assert read["result"]["structuredContent"]["ticket"]["id"] == "TCK-0001"
    assert write["result"]["structuredContent"]["ticketId"] == "TCK-0029"
    assert late["result"]["isError"] is False, "existing sessions continue during the drain"
    assert [len(client.responses(one)) for one in ("read", "write", "late")] == [1, 1, 1]
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"]["data"]["kind"] == "draining"
    assert code == 0
    assert took < DRAIN_S, "the drain ends once all calls have responses"


async def test_calls_that_never_finish_are_answered_with_what_is_known(tmp_path: Path) -> None:
    async with gated_api(holds_history_and_creation) as api, door_over(api, tmp_path) as (process, client):
        await post_call(client, "early read", READ)
        await post_call(client, "early write", WRITE)
        await api.until_held(2)
        asked_at = time.monotonic()
        process.ask_to_end()
        await until_draining(client)
        await asyncio.sleep(DRAIN_S / 2)  # else the API client's own deadline would expire first
        await post_call(client, "read", READ)
        await post_call(client, "write", WRITE)
        await client.until(client.ended.is_set)
        code = await asyncio.to_thread(process.wait)
        took = time.monotonic() - asked_at

    responses = {one: client.responses(one) for one in ("early read", "early write", "read", "write")}
    assert [len(response) for response in responses.values()] == [1, 1, 1, 1]
    early = [kind_of(responses[one][0]) for one in ("early read", "early write")]
    assert early[0] in {"upstream_unavailable", "interrupted"}, "one bound is a second before the other"
    assert early[1] == "outcome_unknown"
    assert responses["read"][0]["error"]["data"]["kind"] == "interrupted"
    assert responses["write"][0]["error"]["data"]["kind"] == "outcome_unknown"
    assert code == 0
    assert DRAIN_S < took < GONE_S


async def test_idle_streams_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with http_door(tmp_path) as (address, process):
        async with sse_session(address, AS_CLIENT) as one, sse_session(address, AS_CLIENT) as two:
            asked_at = time.monotonic()
            process.ask_to_end()
            await one.until(one.ended.is_set)
            await two.until(two.ended.is_set)
            code = await asyncio.to_thread(process.wait)
            took = time.monotonic() - asked_at

    assert code == 0
    assert took < DRAIN_S


async def test_a_client_that_does_not_read_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with http_door(tmp_path) as (address, process), socket.socket() as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # fills up soon
        url = httpx2.URL(address)
        stream.connect((url.host, url.port))
        stream.sendall(f"GET /sse HTTP/1.1\r\nHost: {url.host}\r\nx-api-key: {KEY}\r\n\r\n".encode())
        said = b""
        while (found := re.search(rb"data: (/messages\S+)\n", said)) is None:
            said += await asyncio.to_thread(stream.recv, 256)
        async with httpx2.AsyncClient(base_url=address, headers=AS_CLIENT) as http:
            client = SseClient(http, {})
            client.endpoint = found[1].decode()
            await client.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize_params()})
            for number in range(1, 100):  # 1.5 MB of responses
                await client.post({"jsonrpc": "2.0", "id": number, "method": "tools/list"})
        asked_at = time.monotonic()
        process.ask_to_end()
        code = await asyncio.to_thread(process.wait)
        took = time.monotonic() - asked_at

    assert "drain_finished" in process.said
    assert code == 0
    assert took < GONE_S
