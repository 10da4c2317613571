"""What lists, statistics and changes read of 100,000 tickets. On PostgreSQL as the role that serves.

A list without words reads the tenant's part of an index at most once for its page and once for its total, and no
table. A search reads the texts of at most 4,000 tickets that have the pieces of its words. Statistics read the tenant's
part of an index once for the groups and once for the total, and less of it for open tickets and those of a period.
A page of changes reads an index of the time once, and at most 10,000 entries with their tickets.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final

import pytest
from sqlalchemy import Connection, select

from shared.storage.database import resolve_url
from shared.storage.transactions import open_transactions
from tests.scale.conftest import Large
from tests.scale.queries import changes, statistics, with_words, without_words
from tests.ticket_api.plans import Read, read_by
from ticket_api.http.models.queries import ChangeQuery, StatisticsQuery, TicketQuery
from ticket_api.store import changes as store_of_changes
from ticket_api.store import statistics as store_of_statistics
from ticket_api.store.connection import TenantConnection
from ticket_api.store.lists import read_page
from ticket_api.store.search import index_tickets
from ticket_api.store.tables import tickets

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

TICKETS: Final = 101_000
PAGE: Final = 20
CANDIDATES: Final = 1_000
TESTED: Final = 4_000
MOST_STEPS: Final = 2_000_000
"""Of SQLite's machine: it takes about eight for a row of an index, in about 0.2 µs."""
COUNTED: Final = 3 * TICKETS
"""By their groups, all together, and those that are open or of the period, a third each."""
MOST_STEPS_OF_GROUPS: Final = 9_000_000
EXAMINED: Final = 10_000
EACH: Final = 6
"""How many lists of each kind are explained: the first filter in every order."""
_NODE: Final = re.compile(r"(?P<node>.+?) (?P<table>\S*) (?P<index>\S*) (?P<rows>\d+)\+(?P<dropped>\d+)")


def too_much(read: Read, *, of_index: int, of_table: int) -> list[str]:
    """Return what of a plan is not allowed: scans of tables, bitmaps, sorts of many rows, too many rows or steps."""
    wrong = [line for line in read.plan if re.search(r"Seq Scan tickets|Bitmap|SCAN tickets|B-TREE FOR ORDER BY", line)]
    rows = {"Index Only Scan": 0, "Index Scan": 0}
    for node in filter(None, map(_NODE.fullmatch, read.plan)):
        count = int(node["rows"]) + int(node["dropped"])
        if node["table"] == "tickets" and node["node"] in rows:
            rows[node["node"]] += count
        if node["node"] == "Sort" and count > CANDIDATES:
            wrong.append(node[0])
    if rows["Index Only Scan"] > of_index or rows["Index Scan"] > of_table or read.joined > PAGE:
        wrong.append(f"{rows}, {read.joined} joined")
    if read.steps > MOST_STEPS:
        wrong.append(f"{read.steps} steps")
    return wrong


async def seen(large: Large, kinds: Mapping[str, Sequence[dict[str, Any]]], **most: int) -> list[str]:
    """Return the lists that read too much."""
    wrong = []
    async with open_transactions(resolve_url(large.url)) as transactions:
        for query in (query for some in kinds.values() for query in some[:EACH]):
            asked = TicketQuery.model_validate({"envelope": "true", **query})
            see = partial(read_by, work=partial(read_page, query=asked))
            found = too_much(await transactions.read(see), **most)
            wrong += [f"{query}: {found}"] if found else []
    return wrong


async def test_lists_read_an_index_and_the_rows_of_a_page(large: Large) -> None:
    assert await seen(large, without_words(), of_index=2 * TICKETS, of_table=CANDIDATES) == []


async def test_searches_read_few_texts(large: Large) -> None:
    assert await seen(large, with_words(), of_index=TICKETS, of_table=TESTED) == []


async def read_from(
    large: Large, kinds: Mapping[str, Sequence[dict[str, Any]]], read: Callable[..., object]
) -> dict[str, Read]:
    """Return what the last query of each kind read, which is the one about the longest time."""
    async with open_transactions(resolve_url(large.url)) as transactions:
        return {
            kind: await transactions.read(partial(read_by, work=partial(read, query=some[-1])))
            for kind, some in kinds.items()
        }


async def test_statistics_read_an_index_once_for_each_number(large: Large) -> None:
    def count(db: TenantConnection, query: Any) -> None:
        asked = StatisticsQuery.model_validate(query)
        store_of_statistics.by_group(db, asked, date(2026, 11, 20))

    wrong = {}
    for name, read in (await read_from(large, statistics(), count)).items():
        outside = [line for line in read.plan if re.search(r"Seq Scan|Bitmap|tickets USING INDEX|SCAN tickets", line)]
        if outside or read.rows["tickets"] > COUNTED or read.steps > MOST_STEPS_OF_GROUPS:
            wrong[name] = (outside, read.rows, read.steps)
    assert wrong == {}


async def test_changes_read_an_index_of_their_time_and_the_entries_of_a_page(large: Large) -> None:
    def page(db: TenantConnection, query: Any) -> None:
        asked = ChangeQuery.model_validate({"limit": "200", **query})
        store_of_changes.read(db, store_of_changes.find(db, asked).ids)

    wrong = {}
    for name, read in (await read_from(large, changes(), page)).items():
        outside = [
            line for line in read.plan if re.search(r"Seq Scan (ticket|history)|Bitmap|SCAN (ticket|history)", line)
        ]
        if outside or read.rows["tickets"] > EXAMINED or read.steps > MOST_STEPS:
            wrong[name] = (outside, read.rows, read.steps)
    assert wrong == {}


async def test_the_data_set_is_indexed_as_tickets_are(large: Large) -> None:
    """Otherwise all of this would measure something else."""
    texts = select(tickets.c.text_folded, tickets.c.names_folded).where(tickets.c.tenant_id == "default")

    def index(connection: Connection) -> bool:
        db = TenantConnection.open(connection, "default")
        before = connection.execute(texts.where(tickets.c.number <= CANDIDATES).order_by(tickets.c.number)).all()
        index_tickets(db, range(1, CANDIDATES + 1))
        after = connection.execute(texts.where(tickets.c.number <= CANDIDATES).order_by(tickets.c.number)).all()
        return len(before) == CANDIDATES and before == after

    async with open_transactions(resolve_url(large.url)) as transactions:
        assert await transactions.write(index)
