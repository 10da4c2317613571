"""Calls over Streamable HTTP that are cut while their response could still be JSON: it is lost, and nothing runs twice.

Each round holds one write of every client at the ticket API, cuts every connection, and lets the writes go on. Every
client then repeats its call with the same key, through whichever instance it reaches.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.chaos.callers import HEADERS
from tests.chaos.fleet import Fleet, fleet
from tests.processes import sqlite
from tests.shared.given import TICKET
from tests.transport.http_client import HttpClient, call, http_client, text_of

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("chaos")]

CLIENTS: Final = 4
ROUNDS: Final = 12
LOST: Final = "lost"
"""The connection was cut before the response began."""
BEGUN: Final = "begun"
"""It was cut after the response had become a stream."""


def create(number: int, key: str) -> dict[str, Any]:
    arguments: dict[str, Any] = TICKET | {"summary": f"Ticket of {key}", "idempotencyKey": key}
    return call(number, "create_ticket", None, **arguments)


async def outcome(client: HttpClient, message: dict[str, Any]) -> str:
    """Return the text of a response, or how it was cut."""
    try:
        response = await client.post(message)
    except httpx2.TransportError:
        return LOST
    except AssertionError:
        return BEGUN
    return text_of(response.received[-1])


@asynccontextmanager
async def clients(servers: Fleet) -> AsyncGenerator[list[HttpClient]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(http_client(servers.address, HEADERS)) for _ in range(CLIENTS)]


async def test_a_cut_before_the_response_is_json_costs_the_response_and_no_write_runs_twice(tmp_path: Path) -> None:
    cut = list[str]()
    async with fleet(sqlite(tmp_path), instances=2) as servers, clients(servers) as all_clients:
        for number in range(ROUNDS):
            messages = [create(number, f"cut-{who}-{number:03}-key") for who in range(CLIENTS)]
            servers.gate.close()
            posts = [asyncio.create_task(outcome(*one)) for one in zip(all_clients, messages, strict=True)]
            await servers.gate.until_held(1)
            servers.proxy.cut()
            servers.gate.open()
            cut += await asyncio.gather(*posts)
            repeated = await asyncio.gather(*map(outcome, all_clients, messages))
            assert all("TCK-" in said for said in repeated), repeated

        assert cut.count(LOST) >= ROUNDS, cut
        assert sorted(servers.gate.writes.values()) == [1] * (CLIENTS * ROUNDS)
        assert not [line for instance in servers.instances for line in instance.complaints()]
