"""Lists of more tickets than are sorted at once: walks through an index, page by page."""

from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection

from shared.storage.database import resolve_url
from shared.storage.transactions import open_transactions
from tests.databases import copy_sqlite
from tests.ticket_api.bulk import COMMON, fill_tickets
from ticket_api.http.models.queries import TicketQuery
from ticket_api.store import lists
from ticket_api.store.connection import TenantConnection
from ticket_api.store.indexes import MOST_FEW
from ticket_api.tenancy import DEFAULT

TICKETS: Final = 1_100
ORDERS: Final = [
    {"sortBy": by, "sortOrder": direct}
    for by, direct in product(lists.SORTABLE, ("asc", "desc"))
]  # fmt: skip
WANTED: Final[list[dict[str, Any]]] = [
    {},
    {"statusId": ["stat4"], "completionDateFrom": "2025-06-10", "updatedAtTo": "2026-01-01T00:00:00Z"},
    {"searchWords": "report does"},
]


@pytest.fixture
async def many(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a database with more tickets than are read and sorted at once."""
    url = copy_sqlite(sqlite_template, tmp_path / "many.sqlite3")
    await fill_tickets(url, TICKETS, 0)
    return url


def page(db: TenantConnection, **asked: Any) -> lists.TicketPage:
    return lists.read_page(db, TicketQuery.model_validate({"showCompleted": "true", "envelope": "true", **asked}))


def walked(db: TenantConnection, **asked: Any) -> list[int]:
    """Return the numbers of the tickets of all pages, and check what each says of the whole."""
    numbers: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        one = page(db, limit="200", **asked, **cursor)
        numbers += [row.number for row in one.rows]
        if one.next_cursor is None:
            return numbers
        cursor = {"cursor": one.next_cursor}


def whole_and_total(connection: Connection, asked: dict[str, Any]) -> tuple[list[int], int | None]:
    """Return the numbers of all pages by cursor, of which some are compared with those by offset, and the total."""
    db = TenantConnection.open(connection, DEFAULT)
    numbers = walked(db, **asked)
    for at in (0, 200, len(numbers) - 1):
        by_offset = page(db, limit="200", offset=str(at), **asked)
        assert [row.number for row in by_offset.rows] == numbers[at : at + 200], asked
    first = page(db, **asked)
    return numbers, first.total if first.total_is_exact else None


async def test_a_walk_shows_each_ticket_once_by_cursor_as_by_offset(many: str) -> None:
    async with open_transactions(resolve_url(many)) as pool:
        for wanted, order in product(WANTED, ORDERS):
            numbers, total = await pool.read(partial(whole_and_total, asked={**wanted, **order}))

            assert len(set(numbers)) == len(numbers) > MOST_FEW, (wanted, order)
            assert total in {None, len(numbers)}, (wanted, order)
            assert (total is None) is ("searchWords" in wanted)


async def test_the_total_of_words_that_many_tickets_have_is_not_exact_until_the_end(many: str) -> None:
    def totals(connection: Connection) -> list[tuple[int, bool]]:
        db = TenantConnection.open(connection, DEFAULT)
        begun = page(db, searchWords="report does")
        last = page(db, searchWords="report does", offset=str(TICKETS - 7))
        few = page(db, searchWords=f"{COMMON} does")
        past = page(db, searchWords="report does", offset="5000")
        return [(one.total, one.total_is_exact) for one in (begun, last, few, past)]

    async with open_transactions(resolve_url(many)) as pool:
        begun, last, few, past = await pool.read(totals)

    assert begun == (20, False)
    assert last == (TICKETS, True)
    assert few[1]
    assert 0 < few[0] < TICKETS
    assert past == (TICKETS, True)
