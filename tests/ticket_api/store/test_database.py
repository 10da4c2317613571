"""The databases themselves: their creation, the rights they need, and what happens when they are missing."""

import asyncio
import multiprocessing
import sqlite3
import subprocess
import sys
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from shared.storage import database, fit_programs
from shared.storage.database import Database, open_engine, resolve_url
from shared.storage.migrations import DatabaseNotReadyError
from shared.storage.transactions import open_transactions
from tests.databases import Postgres, PostgresDatabase
from tests.kills import kills
from tests.ticket_api.conftest import NOW, Clock, make, new_ticket, running
from ticket_api import create_app
from ticket_api.migrate import prepare
from ticket_api.sample import filler
from ticket_api.store.connection import TenantConnection
from ticket_api.store.tables import metadata
from ticket_api.tenancy import DEFAULT

OF_POSTGRESQL: Final = {"tickets_by_latest_schedule", "tickets_by_latest_completion"}
OF_NO_MODEL: Final = ("ticket_pieces", "piece_tenants", fit_programs.NAME)
"""The tables of `ticket_api.store.search`, which differ between the databases, and that of the migration runner."""


async def start(url: str) -> None:
    app = create_app(database_url=url, clock=lambda: NOW)
    async with app.router.lifespan_context(app):
        pass


async def counts(url: str) -> list[int]:
    """Return the row counts of some tables of the tenant `default`, which must be the only tenant after a start."""
    async with open_engine(resolve_url(url)) as engine, engine.connect() as connection:
        await connection.run_sync(TenantConnection.open, DEFAULT)
        tables = ("users", "tickets", "ticket_history", "tenants")
        return [int(await connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0) for table in tables]  # noqa: S608 - a constant


async def test_the_migrations_make_the_tables_that_the_program_knows(database_url: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        def is_here(_: object, name: str, *more: object) -> bool:
            return not name.startswith(OF_NO_MODEL) and (
                connection.dialect.name == "postgresql" or name not in OF_POSTGRESQL
            )

        context = MigrationContext.configure(connection, opts={"include_object": is_here})
        return list(compare_metadata(context, metadata))

    async with open_engine(resolve_url(database_url)) as engine, engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_the_planner_knows_the_tables_once_they_are_made(
    sqlite_url: str, filled_postgres: PostgresDatabase
) -> None:
    """By themselves PostgreSQL analyses no table below 50 rows, and SQLite none at all."""
    async with open_transactions(resolve_url(sqlite_url)) as pool:
        known = await pool.read(lambda c: set(c.scalars(text("SELECT tbl FROM sqlite_stat1"))))
    async with open_transactions(resolve_url(filled_postgres.application_url)) as pool:
        rows = text("SELECT relname, reltuples FROM pg_class WHERE relkind = 'r' AND relname IN ('users', 'accounts')")
        counted = await pool.read(lambda c: {name: int(count) for name, count in c.execute(rows)})

    assert {"tickets", "users", "accounts", "statuses"} <= known
    assert counted == {"users": 8, "accounts": 8}


async def test_a_second_start_changes_nothing(database_url: str, clock: Clock) -> None:
    before = await counts(database_url)
    async with running(database_url, clock) as api:
        assert (await api.post("/tickets", json=new_ticket())).status_code == 201

    await start(database_url)

    assert await counts(database_url) == [before[0], before[1] + 1, *before[2:]]


async def test_without_sample_data_a_new_database_is_empty(tmp_path: Path) -> None:
    url = f"sqlite:///{(tmp_path / 'made' / 'on the way' / 't.sqlite3').as_posix()}"
    app = create_app(database_url=url, sample_data="none")

    async with app.router.lifespan_context(app):
        pass

    assert await counts(url) == [0, 0, 0, 1]


async def start_or_migrate(url: str) -> None:
    """Create the tables: on PostgreSQL a start does not."""
    await (start(url) if url.startswith("sqlite") else make(url))


def start_in_a_process(url: str, together: Barrier, outcome: "multiprocessing.Queue[str]") -> None:
    together.wait(90)
    try:
        asyncio.run(start_or_migrate(url))
    except Exception as error:  # noqa: BLE001 - the test shows any error
        outcome.put(repr(error))
    else:
        outcome.put("started")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.long
def test_processes_that_start_at_once_fill_a_new_database_once(
    kind: str, tmp_path: Path, postgres: Postgres, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{(tmp_path / 't.sqlite3').as_posix()}"
    if kind == "postgresql":
        url = request.getfixturevalue("empty_postgres").owner_url
    spawn = multiprocessing.get_context("spawn")
    together, outcome = spawn.Barrier(3), spawn.Queue()
    processes = [spawn.Process(target=start_in_a_process, args=(url, together, outcome)) for _ in range(3)]
    for process in processes:
        process.start()

    outcomes = [outcome.get(timeout=100) for _ in processes]

    for process in processes:
        process.join(30)
    outcome.close()
    assert outcomes == ["started"] * 3
    users, tickets, _, tenants = asyncio.run(counts(url))
    assert (users, tickets, tenants) == (8, 50, 1)


@kills("shared/storage/transactions.py", '"BEGIN IMMEDIATE" if writes else "BEGIN"', '"BEGIN"')
async def test_sqlite_has_wal_foreign_keys_and_writers_that_wait(sqlite_url: str) -> None:
    def pragmas(connection: Connection) -> dict[str, object]:
        names = ("journal_mode", "foreign_keys", "busy_timeout")
        return {name: connection.scalar(text(f"PRAGMA {name}")) for name in names}

    def see_lock() -> None:  # the writer holds it before it has written anything
        other = sqlite3.connect(resolve_url(sqlite_url).database or "", timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()

    async with open_transactions(resolve_url(sqlite_url)) as transactions:
        served = await transactions.read(pragmas)
        await transactions.write(lambda _: see_lock())
    async with open_engine(resolve_url(sqlite_url)) as engine:  # as the identity store opens it
        async with Database(engine).reading() as connection:
            assert served == await connection.run_sync(pragmas)
        async with Database(engine).writing():
            see_lock()

    assert served == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 5000}


async def test_the_application_needs_no_right_to_make_tables(filled_postgres: PostgresDatabase, clock: Clock) -> None:
    connection = await asyncpg.connect(filled_postgres.application_url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("CREATE TABLE forbidden (id integer)")
    role = await connection.fetchrow("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
    await connection.close()

    async with running(filled_postgres.application_url, clock) as api:
        assert (await api.post("/tickets", json=new_ticket())).status_code == 201
    assert role is not None
    assert tuple(role) == (False, False)


async def test_a_tenant_is_filled_when_it_is_made_and_never_later(empty_postgres: PostgresDatabase) -> None:
    await make(empty_postgres.owner_url, "none")
    await make(empty_postgres.owner_url, "en")

    await start(empty_postgres.application_url)

    assert await counts(empty_postgres.application_url) == [0, 0, 0, 1]


async def test_no_start_makes_tables_in_postgresql_and_the_refusal_says_who_does(
    empty_postgres: PostgresDatabase,
) -> None:
    for url in (empty_postgres.application_url, empty_postgres.owner_url):
        with pytest.raises(DatabaseNotReadyError, match=r"is not ready for this version.* migrate --grant-to ROLE"):
            await start(url)


async def test_a_failed_filling_leaves_the_database_new(tmp_path: Path) -> None:
    url = f"sqlite:///{(tmp_path / 't.sqlite3').as_posix()}"
    fill = filler("en", lambda: NOW)
    assert fill is not None

    def fails(db: TenantConnection) -> None:
        fill(db)
        raise RuntimeError("power cut")

    async with open_engine(resolve_url(url)) as engine:
        with pytest.raises(RuntimeError, match="power cut"):
            await prepare(engine, fill=fails, clock=Clock())

    await start(url)
    assert await counts(url) == [8, 50, 93, 1]


@pytest.mark.parametrize("url", [
    "postgresql://user:secret@127.0.0.1:9/none",  # the port "discard", on which nothing listens
    "sqlite:////proc/nonexistent/t.sqlite3",
])  # fmt: skip
async def test_a_database_that_cannot_be_opened_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(DatabaseNotReadyError, match="cannot be opened") as refused:
        await start(url)

    assert "secret" not in str(refused.value)


async def test_a_file_that_cannot_be_opened_is_no_matter_of_user_and_password(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.sqlite3").mkdir()
    for name in ("file/t.sqlite3", "file/deeper/t.sqlite3", "folder.sqlite3"):
        with pytest.raises(DatabaseNotReadyError, match="permissions of the file and its folder") as refused:
            await start(f"sqlite:///{(tmp_path / name).as_posix()}")
        assert "password" not in str(refused.value)


async def test_a_file_that_another_program_holds_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.storage.database.BUSY_TIMEOUT_S", 0.05)
    file = tmp_path / "t.sqlite3"
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseNotReadyError, match="Another program uses its file"):
            await start(f"sqlite:///{file.as_posix()}")


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "t.sqlite3"
    file.write_text("a letter to a friend\n" * 100, "utf-8")
    before = file.read_bytes()

    with pytest.raises(DatabaseNotReadyError, match="is not an SQLite database"):
        await start(f"sqlite:///{file.as_posix()}")

    assert file.read_bytes() == before


async def test_a_second_start_in_one_process_keeps_the_locks_of_the_first(sqlite_url: str) -> None:
    """SQLite, "How To Corrupt An SQLite Database File", 2.2: closing a file ends all locks that a process has on it."""
    file = sqlite_url.removeprefix("sqlite:///")
    leave = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM tickets').connection.close()"
    )
    async with open_transactions(resolve_url(sqlite_url)) as transactions:
        await transactions.read(lambda connection: connection.execute(text("SELECT count(*) FROM tickets")).all())
        await start(sqlite_url)
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", leave, file], check=True, timeout=30)
        assert await asyncio.to_thread(
            Path(f"{file}-wal").exists
        )  # the other process would have deleted it as the last one


async def test_a_database_that_does_not_exist_is_refused(empty_postgres: PostgresDatabase) -> None:
    with pytest.raises(DatabaseNotReadyError, match="cannot be opened"):
        await start(empty_postgres.application_url.replace(empty_postgres.name, "no_such_database"))


async def test_connections_that_the_server_has_closed_cost_no_request(
    filled_postgres: PostgresDatabase, postgres: Postgres, clock: Clock
) -> None:
    async with running(filled_postgres.application_url, clock) as api:
        await asyncio.gather(*(api.get("/tickets") for _ in range(5)))
        name = filled_postgres.name
        await postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608 - our own name

        assert (await api.get("/tickets")).status_code == 200


async def test_a_connection_that_was_lost_while_idle_is_replaced_before_its_use(
    filled_postgres: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_engine(resolve_url(filled_postgres.application_url)) as engine:
        ping = engine.dialect.do_ping
        asked = 0

        def lose(connection: Any) -> bool:
            nonlocal asked
            asked += 1
            connection.driver_connection.terminate()
            return ping(connection)

        async def read() -> Any:
            async with engine.connect() as connection:
                return await connection.scalar(text("SELECT 1"))

        monkeypatch.setattr(engine.dialect, "do_ping", lose)
        assert (await read(), await read(), asked) == (1, 1, 0)
        monkeypatch.setattr(database, "ASKED_AFTER_S", -1.0)
        assert (await read(), asked) == (1, 1)


@pytest.mark.parametrize(("url", "resolved"), [
    ("sqlite:////data/t.sqlite3", "sqlite+aiosqlite:////data/t.sqlite3"),
    ("sqlite+aiosqlite:///t.sqlite3", "sqlite+aiosqlite:///t.sqlite3"),
    ("postgresql://u:p%40@h/d", "postgresql+asyncpg://u:p%40@h/d"),
    ("postgres://u@h/d", "postgresql+asyncpg://u@h/d"),
    ("postgresql+asyncpg://u@h/d", "postgresql+asyncpg://u@h/d"),
])  # fmt: skip
def test_a_url_gets_its_asynchronous_driver(url: str, resolved: str) -> None:
    assert resolve_url(url).render_as_string(hide_password=False) == resolved


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "sqlite://", "sqlite:///:memory:", "secret", ""])
def test_a_url_of_nothing_usable_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"database URL|SQLite needs a file") as refused:
        create_app(database_url=url)

    assert "secret" not in str(refused.value)


async def test_the_tls_mode_is_taken_as_everyone_writes_it(filled_postgres: PostgresDatabase) -> None:
    assert resolve_url("postgresql://host/name?sslmode=require").query == {"ssl": "require"}
    separator = "&" if "?" in filled_postgres.application_url else "?"
    await start(f"{filled_postgres.application_url}{separator}sslmode=disable")
