"""What lists read of 100,000 tickets: an index, and the rows of a page. On PostgreSQL as the role that serves.

A list without words reads the tenant's part of one index at most once for its page and once for its total, and no
table. A search reads the texts of at most 1,000 candidates, or of tickets in the order of the list until the page is
full.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import pytest
from sqlalchemy import Connection

from shared.storage.database import resolve_url
from shared.storage.transactions import open_transactions
from tests.scale.conftest import Large
from tests.scale.queries import with_words, without_words
from tests.ticket_api.plans import Read, read_by
from ticket_api.http.models.queries import TicketQuery
from ticket_api.store.lists import read_page

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

TENANT_ROWS: Final = 100_000
PAGE: Final = 20
CANDIDATES: Final = 1_000
STEPS_A_ROW: Final = 15
_NODE: Final = re.compile(r"(?P<node>.+?) (?P<table>\S*) (?P<index>\S*) (?P<rows>\d+)\+(?P<dropped>\d+)")
Record = Callable[[str, object], None]


def too_much(read: Read, *, of_index: int, of_table: int) -> list[str]:
    """Return the steps of a plan that are not allowed: scans of tables, sorts of many rows, too many rows."""
    wrong = [line for line in read.plan if re.search(r"Seq Scan tickets|Bitmap|SCAN tickets|TEMP B-TREE", line)]
    rows = {"Index Only Scan": 0, "Index Scan": 0}
    for node in filter(None, map(_NODE.fullmatch, read.plan)):
        count = int(node["rows"]) + int(node["dropped"])
        if node["table"] == "tickets" and node["node"] in rows:
            rows[node["node"]] += count
        if node["node"] == "Sort" and count > CANDIDATES:
            wrong.append(node[0])
    if rows["Index Only Scan"] > of_index or rows["Index Scan"] > of_table or read.joined > PAGE:
        wrong.append(f"{rows}, {read.joined} joined")
    if read.steps > (of_index + of_table) * STEPS_A_ROW:
        wrong.append(f"{read.steps} steps")
    return wrong


def reads(connection: Connection, query: dict[str, Any]) -> Read:
    asked = TicketQuery.model_validate({"envelope": "true", **query})
    return read_by(connection, partial(read_page, query=asked))


async def test_lists_read_an_index_and_the_rows_of_the_page(large: Large) -> None:
    def see(connection: Connection) -> list[str]:
        return [
            f"{query}: {wrong}"
            for some in without_words().values()
            for query in some
            if (wrong := too_much(reads(connection, query), of_index=2 * TENANT_ROWS + CANDIDATES, of_table=CANDIDATES))
        ]

    async with open_transactions(resolve_url(large.url)) as transactions:
        assert await transactions.write(see) == []
