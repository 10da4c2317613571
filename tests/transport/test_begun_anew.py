"""A session of Streamable HTTP that begins anew: its request ids start over, and so may be used for something else."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest

from tests.transport.serving import bench
from tests.transport.sse_client import initialize_params
from tests.transport.test_engine import call

pytestmark = pytest.mark.usefixtures("any_broker")

ME = {"x-api-key": "key-me", "accept": "application/json, text/event-stream"}


async def initialize(http: httpx2.AsyncClient, headers: Mapping[str, str]) -> httpx2.Response:
    opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize_params()}
    return await http.post("/mcp", json=opening, headers=headers)


async def first_id(lines: AsyncIterator[str]) -> str:
    async for line in lines:
        if line.startswith("id: "):
            return line[4:]
    raise AssertionError("the stream has no event id")


async def test_who_resumes_is_not_given_the_answer_to_an_earlier_request_of_the_same_id() -> None:
    async with bench() as at, httpx2.AsyncClient(base_url=at.url, timeout=20) as http:
        opened = await initialize(http, ME)
        session: dict[str, Any] = ME | {
            "mcp-session-id": opened.headers["mcp-session-id"],
            "mcp-protocol-version": "2025-11-25",
        }
        earlier = await http.post("/mcp", json=call(7, "echo", text="earlier"), headers=session)
        assert b"earlier" in earlier.content
        await initialize(http, session)
        async with http.stream("POST", "/mcp", json=call(7, "read", gate="later"), headers=session) as cut:
            seen = await first_id(cut.aiter_lines())
        at.gates.open["later"].set()
        rest = await http.get("/mcp", headers=session | {"last-event-id": seen})

    assert b"later" in rest.content
    assert b"earlier" not in rest.content
