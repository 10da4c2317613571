"""Imports that end early say how far they got, and go on where they were when they are repeated."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import pytest

from shared.storage.database import DatabaseBusyError, DatabaseFullError
from tests.ticket_api.conftest import NOW, Clock
from tests.ticket_api.importing.conftest import Importer
from tests.ticket_api.importing.files import file_of, row
from ticket_api.importing import storing, tickets
from ticket_api.importing.checking import CheckedRow, RawRow
from ticket_api.importing.tickets import ImportStoppedError, check_rows, store_rows
from ticket_api.store.connection import TenantConnection
from ticket_api.store.tables import accounts
from ticket_api.tenancy import DEFAULT, TenantDatabase

T = TypeVar("T")


async def _checked(importer: Importer, count: int) -> list[CheckedRow]:
    rows = [RawRow(number, row(number)) for number in range(1, count + 1)]
    return (await check_rows(importer.tenants, DEFAULT, rows, NOW)).rows


async def test_a_stopped_import_says_how_far_it_got_and_goes_on_there(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(tickets, "PAUSE_S", 60)
    data = file_of(row(number) for number in range(1, 7))
    stopped = asyncio.create_task(importer.run(data))
    while not await importer.count():
        assert not stopped.done()
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    (said,) = importer.said  # 0, if it was stopped between the commit and the report of it
    assert re.fullmatch(r"Stopped after at least [02] of 6 rows\. Repeat the same command to store the others\.", said)
    assert await importer.external_ids() == ["OLD-1", "OLD-2"]
    monkeypatch.setattr(tickets, "PAUSE_S", 0)
    assert await importer.run(data) == 0
    assert await importer.external_ids() == [f"OLD-{number}" for number in range(1, 7)]


async def test_master_data_that_is_removed_meanwhile_stops_it_between_two_parts(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "MOST_AT_ONCE", 2)
    await importer.tenants.write(
        DEFAULT, lambda db: db.execute(db.insert(accounts).values(id="new", name="New", name_folded="new", order_no=99))
    )
    first, second, *others = await _checked(importer, 4)
    rows = [
        first,
        second,
        *(CheckedRow(one.number, one.external_id, {**one.values, "account_id": "new"}, one.given) for one in others),
    ]
    await importer.tenants.write(DEFAULT, lambda db: db.execute(db.delete(accounts).where(accounts.c.id == "new")))
    with pytest.raises(ImportStoppedError, match=r"Stopped after 2 of 4 rows: Master data .* Repeat the same import"):
        await store_rows(importer.tenants, DEFAULT, rows, lambda: NOW, dry_run=False, on_progress=lambda _: None)
    assert await importer.external_ids() == ["OLD-1", "OLD-2"]


async def test_a_ticket_is_made_when_it_is_stored(sqlite_importer: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(tickets, "PAUSE_S", 0)
    clock, rows = Clock(), await _checked(sqlite_importer, 4)

    def tick(_: object) -> None:
        clock.now += timedelta(minutes=3)

    await store_rows(sqlite_importer.tenants, DEFAULT, rows, clock, dry_run=False, on_progress=tick)

    made = Counter(ticket["updated_at"] for ticket in await sqlite_importer.imported())
    assert made == {NOW: 2, NOW + timedelta(minutes=3): 2}


class Unavailable(TenantDatabase):
    """A database whose next writes fail."""

    def __init__(self, real: TenantDatabase, *errors: DatabaseBusyError) -> None:
        super().__init__(real.transactions, clock=lambda: NOW)
        self.errors = list(errors)

    async def write(self, tenant: str, work: Callable[[TenantConnection], T]) -> T:
        """Fail, or write."""
        if self.errors:
            raise self.errors.pop(0)
        return await super().write(tenant, work)


@pytest.mark.parametrize(
    ("errors", "is_stored"),
    [
        pytest.param([DatabaseBusyError() for _ in range(4)], True, id="busy-for-a-while"),
        pytest.param([DatabaseBusyError() for _ in range(5)], False, id="busy"),
        pytest.param([DatabaseFullError()], False, id="full"),
    ],
)
async def test_a_busy_database_is_asked_again_and_a_full_one_stops_it(
    sqlite_importer: Importer, monkeypatch: pytest.MonkeyPatch, errors: list[DatabaseBusyError], is_stored: bool
) -> None:
    monkeypatch.setattr(tickets, "PAUSE_S", 0)
    rows = await _checked(sqlite_importer, 2)
    database = Unavailable(sqlite_importer.tenants, *errors)
    run = store_rows(database, DEFAULT, rows, lambda: NOW, dry_run=False, on_progress=lambda _: None)
    if is_stored:
        await run
    else:
        with pytest.raises(ImportStoppedError, match="Stopped after 0 of 2 rows: The d"):
            await run
    assert await sqlite_importer.count() == (2 if is_stored else 0)
