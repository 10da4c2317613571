"""Another name of a person or account is found at once, and its tickets are indexed again, some at a time."""

import asyncio
from typing import Final

import pytest
from sqlalchemy import text

from shared.storage.database import resolve_url
from shared.storage.transactions import open_transactions
from tests.databases import PostgresDatabase
from tests.ticket_api.conftest import NOW, Clock, new_ticket
from tests.ticket_api.store.searching import found, run, scanned, texts_of
from ticket_api import create_app, writes
from ticket_api.http.models.requests import NewTicket
from ticket_api.renames import finish_all_renames, finish_renames
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search import find, fold, has_renames, index_renamed, note_rename
from ticket_api.store.search.renames import Kind
from ticket_api.store.tables import accounts, renamed, users
from ticket_api.tenancy import TenantDatabase

WORDS: Final = ("brindle", "logistics", "zzyzx", "ゾウ", "quillhaven", "avery", "okapi", "avery okapi", "tck-0001")


def rename(db: TenantConnection, kind: Kind, id_: str, name: str) -> None:
    table = {"accounts": accounts, "users": users}[kind]
    db.execute(db.update(table).where(table.c.id == id_).values(name=name, name_folded=fold(name)))
    note_rename(db, kind, id_)


def differences(db: TenantConnection) -> list[str]:
    """Return the words whose search differs from a plain scan."""
    texts = texts_of(db)
    return [word for word in WORDS if found(db, word) != scanned(texts, word)]


@pytest.mark.parametrize("kind", ["accounts", "users"])
async def test_a_name_is_found_before_during_and_after_its_tickets_are_indexed_again(
    database_url: str, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticket_api.store.search.renames.AT_ONCE", 6)
    id_, before = {"accounts": ("acc1", "brindle"), "users": ("user1", "avery")}[kind]
    old = await run(database_url, lambda db: found(db, before))

    await run(database_url, lambda db: rename(db, kind, id_, "Zzyzx ぞうOkapi"))

    steps = 0
    more = True
    while more:
        assert await run(database_url, differences) == []
        if kind == "accounts":
            assert await run(database_url, lambda db: (found(db, before), found(db, "zzyzx ゾウ"))) == (set(), old)
        more = await run(database_url, index_renamed)
        steps += 1
    assert steps > len(old) // 6
    numbers = await run(database_url, lambda db: find(db, "zzyzx").numbers)
    assert (set(numbers), await run(database_url, has_renames)) == (
        await run(database_url, lambda db: found(db, "zzyzx")),
        False,
    )


async def test_another_rename_on_the_way_begins_again(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ticket_api.store.search.renames.AT_ONCE", 6)
    await run(sqlite_url, lambda db: rename(db, "accounts", "acc1", "Okapi"))
    await run(sqlite_url, index_renamed)

    await run(sqlite_url, lambda db: rename(db, "accounts", "acc1", "Zzyzx"))
    await run(sqlite_url, lambda db: rename(db, "users", "user1", "Okapi"))
    assert await run(sqlite_url, differences) == []
    while await run(sqlite_url, index_renamed):
        pass

    assert await run(sqlite_url, differences) == []
    assert await run(sqlite_url, lambda db: db.execute(db.select(renamed)).all()) == []


async def test_with_more_tickets_to_index_again_than_candidates_all_are_searched(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticket_api.store.search.index.MOST_CANDIDATES", 2)
    await run(sqlite_url, lambda db: rename(db, "accounts", "acc1", "Zzyzx"))

    assert await run(sqlite_url, lambda db: find(db, "zzyzx").numbers) is None
    assert await run(sqlite_url, differences) == []


async def test_every_tenant_finishes_what_a_process_left(database_url: str, clock: Clock) -> None:
    def fill(db: TenantConnection) -> None:
        note_rename(db, "accounts", "gone")

    await run(database_url, lambda db: rename(db, "accounts", "acc1", "Zzyzx"))
    await run(database_url, fill, "other")
    async with open_transactions(resolve_url(database_url)) as transactions:
        database = TenantDatabase(transactions, clock=clock)
        await finish_renames(database, "other")
        left = [await database.read(tenant, has_renames) for tenant in ("other", "default")]
        await finish_all_renames(database)

        assert left == [False, True]
        assert not await database.read("default", has_renames)


async def test_a_running_server_finishes_them(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    finished = asyncio.Event()

    async def finish(database: TenantDatabase) -> None:
        await finish_all_renames(database)
        finished.set()

    monkeypatch.setattr("ticket_api.app.finish_all_renames", finish)
    monkeypatch.setattr("ticket_api.app.UNFINISHED_RENAMES_S", 0.01)
    await run(sqlite_url, lambda db: rename(db, "accounts", "acc1", "Zzyzx"))
    app = create_app(database_url=sqlite_url)
    async with app.router.lifespan_context(app), asyncio.timeout(30):
        await finished.wait()

        assert not await app.state.tenants.read("default", has_renames)


async def test_a_ticket_that_is_written_during_a_rename_gets_the_new_name(filled_postgres: PostgresDatabase) -> None:
    """Its writer has read the old name, and ends only when the rename is done, or waits for it."""
    url = filled_postgres.application_url
    begun, finished = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    sent = NewTicket.model_validate(new_ticket())

    def create(db: TenantConnection) -> None:
        writes.create(db, sent, NOW)
        loop.call_soon(begun.set)
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        while not finished.is_set() and not db.scalar(waiting):
            pass  # each statement lets the other task go on

    async with asyncio.timeout(30), open_transactions(resolve_url(url)) as transactions:
        database = TenantDatabase(transactions, clock=Clock())
        creating = asyncio.create_task(database.write("default", create))
        await begun.wait()
        await database.write("default", lambda db: rename(db, "accounts", "acc1", "Zzyzx"))
        await finish_renames(database, "default")
        finished.set()
        await creating

    assert await run(url, differences) == []
