"""Valkey returns without its data: nothing crosses sessions, attached ones continue, new calls work soon (S8)."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest

from tests.chaos.callers import HEADERS, PATIENCE_S
from tests.chaos.fleet import Fleet, fleet
from tests.databases import PostgresDatabase, make_ticket_tables
from tests.shared.given import TICKET, rows_of
from tests.transport.sse_client import SseClient, sse_session

pytestmark = pytest.mark.xdist_group("chaos")

SESSIONS: Final = 6
WORKS_AGAIN_S: Final = 20.0
"""Sessions may be restored for 3 s; the rest is for a machine that stands still."""
DURING: Final = "during"


def mark(number: int) -> str:
    return f"session {'klmnop'[number] * 3} of an emptied broker"  # no word of it is in an id of a ticket


def ask(number: int, request_id: str) -> dict[str, Any]:
    """Return a call that only this session's ticket satisfies; all sessions use the same ids."""
    params = {"name": "get_ticket_list", "arguments": {"searchQuery": mark(number)}}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


async def until_it_works(client: SseClient, number: int, by: float) -> None:
    """Repeat a call until it succeeds, at the latest at `by`."""
    attempt = 0
    async with asyncio.timeout_at(by):
        while True:
            attempt += 1
            request_id = f"after {attempt}"
            if (await client.post(ask(number, request_id))).status_code == 202:
                response = await client.response(request_id)
                if "result" in response:
                    found = rows_of(response["result"]["structuredContent"])
                    assert [one["summary"] for one in found] == [mark(number)]
                    return


async def empty(servers: Fleet) -> None:
    """Delete every key."""
    await asyncio.to_thread(servers.valkey.kill)
    await asyncio.to_thread(servers.valkey.wipe)
    await asyncio.to_thread(servers.valkey.start)


@pytest.mark.long
async def test_a_broker_that_returns_empty_ends_no_attached_session_and_mixes_up_none(
    empty_postgres: PostgresDatabase,
) -> None:
    url = await make_ticket_tables(empty_postgres)
    async with fleet(url, instances=2) as servers, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(sse_session(servers.address, HEADERS)) for _ in range(SESSIONS)]
        for number, client in enumerate(clients):
            assert not (await client.call("create_ticket", **TICKET | {"summary": mark(number)}))["isError"]
        async with sse_session(servers.address, HEADERS) as detached:
            pass
        servers.gate.close()
        for number, client in enumerate(clients):
            assert (await client.post(ask(number, DURING))).status_code == 202
        await servers.gate.until_held(SESSIONS)

        await empty(servers)
        servers.gate.open()
        by = asyncio.get_running_loop().time() + WORKS_AGAIN_S
        await asyncio.gather(*(until_it_works(client, number, by) for number, client in enumerate(clients)))
        async with sse_session(servers.address, HEADERS) as new:
            await until_it_works(new, 0, by)
        for client in clients:
            await client.until(lambda client=client: client.responses(DURING), PATIENCE_S)
        async with sse_session(servers.address, HEADERS) as other:
            other.endpoint = detached.endpoint
            gone = await other.post(ask(0, "late"))
        assert not any(client.ended.is_set() for client in clients), "attached sessions continue"

    assert gone.status_code == 404
    for number, client in enumerate(clients):
        said = json.dumps(client.received)
        assert [other for other in range(SESSIONS) if mark(other) in said] == [number]
        assert len({json.dumps(one) for one in client.responses(DURING)}) == 1
