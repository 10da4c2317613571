"""A call with far too much in it, over every transport of the real programs: refused immediately, others unaffected."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import httpx2
import pytest

from tests.processes import KEY, http_door
from tests.shared.given import TICKET
from tests.transport.http_client import MODERN, http_client
from tests.wires import asking

ME: Final = {"x-api-key": KEY}
QUICK_S: Final = 15.0
"""Before there were bounds it took minutes; now, on a quiet machine, less than a hundredth of this limit."""
CALLS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "60,000 arguments": ("get_statuses", {f"name-{number}": number for number in range(60_000)}),
    "150,000 items": ("create_ticket", TICKET | {"attachments": [0] * 150_000}),
    "80,000 names": ("create_ticket", TICKET | {"attachments": [{f"k{number}": 0 for number in range(80_000)}]}),
    "text with 90,000 items": ("create_ticket", TICKET | {"attachments": json.dumps([0] * 90_000)}),
    "lists in each other": ("update_ticket", {"ticketId": json.loads("[" * 150 + "]" * 150)}),
}


class Caller(Protocol):
    """Calls a tool over one transport and returns its result."""

    async def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]: ...


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with http_door(tmp_path_factory.mktemp("door")) as (address, _):
        yield address


@asynccontextmanager
async def over(wire: str, door: str, folder: Path) -> AsyncGenerator[Caller]:
    """Connect over one transport."""
    async with asking(wire, door, ME, folder) as ask:

        async def called(tool: str, **arguments: Any) -> dict[str, Any]:
            return dict((await ask("tools/call", {"name": tool, "arguments": arguments}))["result"])

        yield called


async def slowest_probe(http: httpx2.AsyncClient, until: asyncio.Event) -> float:
    """Request `/health` repeatedly; return the longest time it took, in seconds."""
    slowest = 0.0
    while not until.is_set():
        began = time.monotonic()
        assert (await http.get("/health")).status_code == 200
        slowest = max(slowest, time.monotonic() - began)
    return slowest


@pytest.mark.parametrize("wire", ["sse", "2025-11-25", MODERN, "stdio"])
async def test_a_call_with_too_much_in_it_is_refused_at_once_and_the_next_one_works(
    door: str, tmp_path: Path, wire: str
) -> None:
    async with over(wire, door, tmp_path) as called:
        for tool, arguments in CALLS.values():
            async with asyncio.timeout(QUICK_S):
                result = await called(tool, **arguments)
            assert result["isError"]
            assert result["structuredContent"]["error"]["kind"] == "invalid_input"
            assert len(json.dumps(result)) < 1000
        assert not (await called("get_statuses")).get("isError")


@pytest.mark.parametrize("name", CALLS)
async def test_the_probes_of_others_are_answered_meanwhile(door: str, tmp_path: Path, name: str) -> None:
    tool, arguments = CALLS[name]
    async with (
        over("2025-11-25", door, tmp_path) as called,
        httpx2.AsyncClient(base_url=door, headers=ME, timeout=QUICK_S) as http,
    ):
        done = asyncio.Event()
        probing = asyncio.create_task(slowest_probe(http, done))
        for _ in range(3):
            await called(tool, **arguments)
        done.set()

        assert await probing < QUICK_S


@pytest.mark.parametrize(
    "params",
    [
        {"name": "get_statuses", "arguments": {}, "_meta": {f"k{number}": 0 for number in range(80_000)}},
        {"name": "get_statuses", "arguments": {}, **{f"k{number}": 0 for number in range(80_000)}},
        {"name": [0] * 150_000},
    ],
    ids=["_meta", "params", "name"],
)
async def test_too_much_beside_the_arguments_is_refused_as_a_whole(door: str, params: dict[str, Any]) -> None:
    async with http_client(door, ME) as client:
        response = await client.post({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params})

        assert response.status == 400
        assert response.kind == "malformed"
        assert "at most 10,000 JSON values beside the arguments" in str(response.received)
        assert await client.call(8, "get_statuses")
