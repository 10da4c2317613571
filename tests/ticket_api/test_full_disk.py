"""A database that rejects writes: the client reads why, the log has its kind, and `/ready` reports it beforehand."""

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy import event, func, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from shared.storage import write_check
from shared.storage.database import (
    DatabaseBusyError,
    DatabaseFailedError,
    DatabaseFullError,
    DatabaseReadOnlyError,
    unusable_as,
)
from shared.storage.migrations import DatabaseNotReadyError
from shared.storage.write_check import WriteCheck
from tests.captured_logs import capture_logs
from tests.databases import Postgres, PostgresDatabase, dsn
from tests.kills import kills
from tests.ticket_api.conftest import KEY, Clock, client_of, make, new_ticket
from ticket_api import create_app
from ticket_api.store.tables import idempotency_keys

FULL: Final = "The disk of the database is full. Nothing was changed; the operator must make room there."


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[tuple[FastAPI, AsyncClient]]:
    app = create_app(database_url=url, api_keys=[KEY], clock=Clock())
    async with app.router.lifespan_context(app), client_of(app, **{"x-api-key": KEY}) as client:
        yield app, client


def on_every_connection(app: FastAPI, statement: str) -> None:
    """Run `statement` first on each connection to the SQLite file."""

    @event.listens_for(app.state.tenants.transactions.engine, "connect")
    def run(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(statement).close()


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the database answer `/ready` as slowly as the machine is."""
    monkeypatch.setattr(write_check, "LIMIT_S", 30.0)


@pytest.fixture
async def full(sqlite_url: str) -> AsyncIterator[AsyncClient]:
    """An API with an SQLite file that cannot get more pages."""
    async with serving(sqlite_url) as (app, client):
        on_every_connection(app, "PRAGMA max_page_count = 1")  # below the current size, so that becomes the limit
        yield client


LARGE: Final = "x" * 50_000


async def count(api: AsyncClient) -> int:
    return len((await api.get("/tickets?limit=200&showCompleted=true")).json())


async def write(api: AsyncClient, what: str) -> Response:
    match what:
        case "create":
            return await api.post("/tickets", json=new_ticket(description=LARGE), headers={"idempotency-key": "k"})
        case "change":
            return await api.put("/tickets/TCK-0001", json={"updatedById": "user1", "description": LARGE})
        case _:
            return await api.post("/tickets/TCK-0001/history", json={"userId": "user1", "comment": LARGE})


@kills("shared/storage/database.py", "unusable_as(error)", "None")
@pytest.mark.parametrize("what", ["create", "change", "comment"])
async def test_a_write_to_a_full_disk_says_so_and_changes_nothing(full: AsyncClient, what: str) -> None:
    before = await count(full), (await full.get("/tickets/TCK-0001/history")).json()
    with capture_logs() as logged:
        responses = [await write(full, what) for _ in range(6)]  # more than the connections

    for response in responses:
        assert (response.status_code, response.json()) == (507, {"error": FULL, "kind": "disk_full"})
        assert "retry-after" not in response.headers
    lines = [line for line in logged if line["message"] == "ticket_database_unavailable"]
    assert [(line["severity"], line["kind"]) for line in lines] == [("ERROR", "disk_full")] * 6
    assert (await count(full), (await full.get("/tickets/TCK-0001/history")).json()) == before


async def test_a_refused_write_may_be_repeated_with_its_key_when_there_is_room(sqlite_url: str) -> None:
    async with serving(sqlite_url) as (app, api):
        on_every_connection(app, "PRAGMA max_page_count = 1")
        assert (await write(api, "create")).status_code == 507
        on_every_connection(app, "PRAGMA max_page_count = 100000")
        app.state.tenants.transactions.engine.dispose()

        made = [await write(api, "create") for _ in range(2)]

    assert [response.status_code for response in made] == [201, 201]
    assert made[0].content == made[1].content


async def test_readiness_tells_of_a_full_disk_before_a_call_fails(full: AsyncClient) -> None:
    del full.headers["x-api-key"]
    response = await full.get("/ready")

    assert (response.status_code, response.json()) == (507, {"error": FULL, "kind": "disk_full"})
    assert (await full.get("/health")).status_code == 200


async def test_a_database_that_takes_writes_is_ready_and_is_left_as_it_was(database_url: str) -> None:
    async with serving(database_url) as (app, api):
        del api.headers["x-api-key"]
        response = await api.get("/ready")

        assert (response.status_code, response.json()) == (200, {"status": "ready"})
        assert "readiness" in (await api.get("/health")).json()["features"]
        assert await keys_in(app) == 0


async def keys_in(app: FastAPI) -> int:
    return int(await app.state.tenants.read("default", lambda db: db.scalar(db.select(idempotency_keys, func.count()))))


async def test_what_readiness_writes_reaches_the_disk(sqlite_url: str, tmp_path: Path) -> None:
    log = tmp_path / "tickets.sqlite3-wal"
    async with serving(sqlite_url) as (_, api):
        await count(api)
        before = log.stat().st_size if log.exists() else 0

        assert (await api.get("/ready")).status_code == 200

        assert log.stat().st_size >= before + 100_000


@kills("shared/storage/write_check.py", "(self._asking.done() and is_old", "self._asking.done(")
async def test_however_many_ask_the_database_is_asked_once_in_ten_seconds() -> None:
    now, asked = 0.0, 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        raise (DatabaseFullError if asked == 1 else write_check.UndoneError)

    async def outcome() -> str:
        try:
            await check.check()
        except DatabaseBusyError as error:
            return error.kind
        return "ready"

    check = WriteCheck(ask, seconds=lambda: now)
    assert {*await asyncio.gather(*(outcome() for _ in range(50)))} == {"disk_full"}
    now = 9.9
    assert (await outcome(), asked) == ("disk_full", 1)
    now = 10.0
    assert {*await asyncio.gather(*(outcome() for _ in range(50)))} == {"ready"}
    assert asked == 2


async def test_a_database_that_hangs_is_busy_and_is_not_asked_again_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_check, "LIMIT_S", 0.01)
    goes_on, asked = asyncio.Event(), 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        await goes_on.wait()
        raise write_check.UndoneError

    check = WriteCheck(ask, seconds=lambda: asked * 100.0)
    for _ in range(3):
        with pytest.raises(DatabaseBusyError) as refused:
            await check.check()
        assert refused.value.kind == "database_busy"
    assert asked == 1
    goes_on.set()
    await check.join()


@pytest.fixture
def file_limit() -> Iterator[None]:
    """Files cannot grow beyond 1 MB here, as under a quota; Python ignores the signal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_file_over_its_quota_is_told_apart_from_a_busy_database(sqlite_url: str, file_limit: None) -> None:
    async with serving(sqlite_url) as (_, api):
        responses = [await write(api, "comment") for _ in range(40)]
        failed = [response for response in responses if response.status_code != 201]
        received = len([one for one in (await api.get("/tickets/TCK-0001/history")).json() if one["comment"] == LARGE])

    assert failed
    assert {(response.status_code, response.json()["kind"]) for response in failed} <= {
        (503, "disk_failed"),
        (507, "disk_full"),
    }
    assert received == len(responses) - len(failed)


@pytest.mark.parametrize(("name", "meaning"), [
    ("SQLITE_FULL", DatabaseFullError),
    ("SQLITE_READONLY", DatabaseReadOnlyError),
    ("SQLITE_READONLY_DBMOVED", DatabaseReadOnlyError),
    ("SQLITE_READONLY_DIRECTORY", DatabaseReadOnlyError),
    ("SQLITE_CANTOPEN", DatabaseFailedError),
    ("SQLITE_CANTOPEN_ISDIR", DatabaseFailedError),
    ("SQLITE_IOERR_WRITE", DatabaseFailedError),
    ("SQLITE_IOERR_SHMSIZE", DatabaseFailedError),
    ("SQLITE_BUSY", None),
    ("SQLITE_BUSY_SNAPSHOT", None),
    ("SQLITE_LOCKED", None),
])  # fmt: skip
def test_what_sqlite_says_has_one_meaning(name: str, meaning: type[DatabaseBusyError] | None) -> None:
    cause = sqlite3.OperationalError("x")
    cause.sqlite_errorname = name

    assert unusable_as(OperationalError("INSERT", {}, cause)) is meaning


@pytest.mark.parametrize(("cause", "meaning"), [
    (asyncpg.DiskFullError, DatabaseFullError),
    (asyncpg.ReadOnlySQLTransactionError, DatabaseReadOnlyError),
    (asyncpg.PostgresIOError, DatabaseFailedError),
    (asyncpg.QueryCanceledError, None),
    (asyncpg.UniqueViolationError, None),
])  # fmt: skip
def test_what_postgresql_says_has_one_meaning(cause: Any, meaning: type[DatabaseBusyError] | None) -> None:
    assert unusable_as(DBAPIError("INSERT", {}, cause("x"))) is meaning


async def test_postgresql_that_takes_no_writes_is_told_apart_and_may_be_read(
    postgres: Postgres, filled_postgres: PostgresDatabase
) -> None:
    role = make_url(filled_postgres.application_url).username
    read_only = f'ALTER ROLE "{role}" IN DATABASE "{filled_postgres.name}" SET default_transaction_read_only = on'
    await postgres.execute(read_only)
    async with serving(filled_postgres.application_url) as (_, api):
        responses = [await write(api, what) for what in ("create", "change", "comment")] + [await api.get("/ready")]
        is_read = await api.get("/tickets/TCK-0001")

    assert {(response.status_code, response.json()["kind"]) for response in responses} == {(503, "read_only")}
    assert all("Nothing was changed" in response.json()["error"] for response in responses)
    assert is_read.status_code == 200


async def test_a_full_disk_of_postgresql_is_a_507(filled_postgres: PostgresDatabase) -> None:
    owner = await asyncpg.connect(dsn(make_url(filled_postgres.owner_url)), timeout=10)
    try:  # raises the server's own error for a file that cannot be extended
        await owner.execute("""
            CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
            CREATE TRIGGER no_room BEFORE INSERT ON ticket_history EXECUTE FUNCTION no_room();
            CREATE TRIGGER no_room BEFORE INSERT ON idempotency_keys EXECUTE FUNCTION no_room();
        """)
    finally:
        await owner.close(timeout=10)
    async with serving(filled_postgres.application_url) as (_, api):
        responses = [await write(api, what) for what in ("create", "change", "comment")] + [await api.get("/ready")]

    assert {(response.status_code, response.json()["kind"]) for response in responses} == {(507, "disk_full")}


async def test_a_start_that_may_not_write_says_so(postgres: Postgres, empty_postgres: PostgresDatabase) -> None:
    name = empty_postgres.name
    await postgres.execute(f'ALTER ROLE "{postgres.owner}" IN DATABASE "{name}" SET default_transaction_read_only = on')

    with pytest.raises(DatabaseNotReadyError, match=r"cannot be made ready\. The database is read-only\. Nothing was"):
        await make(empty_postgres.owner_url)
