"""Case A1: tickets grow on PostgreSQL whose small tables were never analysed, and each page arrives in time."""

import asyncio
from typing import Any

import pytest

from tests.attacks.grounds import MARKS, nice_postgres, shared_door
from tests.attacks.watch import call_probe, watched
from tests.databases import Postgres, make_ticket_tables
from tests.ticket_api.bulk import fill_tickets

pytestmark = MARKS


@pytest.mark.parametrize("tickets", [1_100, 2_500])
async def test_lists_and_searches_stay_quick_as_tickets_grow(postgres: Postgres, tickets: int) -> None:
    """The database has the lowest processor priority; half of the readers' calls are searches."""
    database = await postgres.create()
    url = await make_ticket_tables(database)
    await fill_tickets(database.owner_url, tickets, accounts=0, statistics="tickets")
    await nice_postgres(database)
    async with shared_door(url) as ground:
        assert await watched(ground, lambda over: readers(over, ground.address, ground.key)) == []
    await postgres.drop(database)


async def readers(over: asyncio.Event, address: str, key: str) -> str:
    """Run three readers that list all tickets, list open ones and search, each after the previous response."""
    searches = [{"searchQuery": "printer"}, {"searchQuery": "no such words"}]
    asked: list[dict[str, Any]] = [{"limit": 100}, {"showCompleted": False}, *searches]
    done = [0, 0]

    async def read(first: int) -> None:
        for number in range(first, 100_000):
            done[await call_probe(address, key, "get_ticket_list", asked[number % len(asked)])()] += 1

    tasks = [asyncio.create_task(read(number)) for number in range(3)]
    await over.wait()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return f"{done[1]} reads, {done[0]} failed"
