"""Transactions of synchronous code over both databases: fair, bounded, and correct when callers are cancelled."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection, QueuePool, text
from sqlalchemy.exc import DBAPIError

from shared.storage import database, transactions
from shared.storage.connections import CONNECTIONS
from shared.storage.database import ConnectionSlots, DatabaseBusyError, resolve_url
from shared.storage.transactions import PostgresTransactions, SqliteTransactions, _Statements, open_transactions
from tests import slow_work
from tests.databases import PostgresDatabase
from tests.kills import kills
from tests.slow_work import SLOW, Gate, Slow, idle

Pool = SqliteTransactions | PostgresTransactions


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a pause of the machine end nothing: what must end at once has less time than the time limit of statements."""
    monkeypatch.setattr(slow_work, "AT_ONCE_S", 6.0)
    monkeypatch.setattr(transactions, "SQLITE_LIMIT_S", 9.0)
    for limit in ("statement_timeout", "lock_timeout"):
        monkeypatch.setitem(database.POSTGRESQL_LIMITS, limit, "9000")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return sqlite_file(tmp_path)
    made: PostgresDatabase = request.getfixturevalue("empty_postgres")
    return made.owner_url


@pytest.fixture
async def pool(url: str) -> AsyncIterator[Pool]:
    """Transactions of each database, with an empty table `notes`."""
    async with opened(url) as made:
        yield made


@pytest.fixture
async def sqlite_pool(tmp_path: Path) -> AsyncIterator[Pool]:
    async with opened(sqlite_file(tmp_path)) as made:
        yield made


def sqlite_file(folder: Path) -> str:
    """Return the URL of a new file with a write-ahead log, as migrations make it."""
    file = folder / "notes.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    return f"sqlite:///{file.as_posix()}"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Pool]:
    async with open_transactions(resolve_url(url)) as made:
        await made.write(lambda c: c.execute(text("CREATE TABLE notes (note text)")).close())
        assert isinstance(made, SqliteTransactions | PostgresTransactions)
        yield made


def notes(connection: Connection) -> list[str]:
    return list(connection.scalars(text("SELECT note FROM notes ORDER BY note")))


def note(what: str) -> Callable[[Connection], None]:
    return lambda connection: connection.execute(text("INSERT INTO notes VALUES (:what)"), {"what": what}).close()


async def test_a_cancelled_reader_stops_its_statement_and_its_connection_goes_back_clean(pool: Pool) -> None:
    readers = []
    for _ in range(CONNECTIONS["postgresql"] + 1):  # more than there are slots
        slow = Slow()
        readers.append(asyncio.create_task(pool.read(slow)))
        await slow.begun.wait()
        readers[-1].cancel()
        await asyncio.wait([readers[-1]])
        await idle(pool)

    assert all(reader.cancelled() for reader in readers)
    assert checked_out(pool) == 0
    assert await pool.read(notes) == []
    if isinstance(pool, PostgresTransactions):
        asleep = text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = :statement")
        asleep = asleep.bindparams(statement=SLOW["postgresql"])
        assert await pool.read(lambda connection: connection.scalar(asleep)) == 0


@kills("shared/storage/transactions.py", "writes=True)", "writes=True); await future")
async def test_a_cancelled_writer_goes_on_to_its_end(pool: Pool, url: str) -> None:
    gate = Gate(url)
    await gate.close()
    writer = asyncio.create_task(pool.write(gate.then(note("kept"))))
    await gate.begun.wait()

    writer.cancel()
    await asyncio.wait([writer])
    assert writer.cancelled()
    await gate.open()
    await idle(pool)

    assert await pool.read(notes) == ["kept"]


async def test_a_writer_that_is_cancelled_before_it_began_writes_nothing(pool: Pool, url: str) -> None:
    gate = Gate(url)
    await gate.close()
    holders = [asyncio.create_task(pool.read(gate.then(notes))) for _ in range(places(pool))]
    await gate.begun.wait()
    writer = asyncio.create_task(pool.write(note("unwanted")))
    await asyncio.sleep(0)  # it is in the queue

    writer.cancel()
    await asyncio.wait([writer])
    await gate.open()

    assert await asyncio.gather(*holders, pool.read(notes)) == [[]] * (places(pool) + 1)


@kills("shared/storage/transactions.py", 'isolation_level="REPEATABLE READ", ', "")
async def test_what_a_reader_sees_is_one_state(pool: Pool, url: str) -> None:
    gate = Gate(url)
    await gate.close()
    reader = asyncio.create_task(pool.read(lambda c: (notes(c), gate.then(notes)(c))))
    await gate.begun.wait()
    await pool.write(note("meanwhile"))
    await gate.open()

    assert await reader == ([], [])
    assert await pool.read(notes) == ["meanwhile"]


async def test_a_write_that_raises_leaves_nothing_behind(pool: Pool) -> None:
    def fails(connection: Connection) -> None:
        note("half")(connection)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        await pool.write(fails)

    assert (await pool.read(notes), checked_out(pool)) == ([], 0)


@pytest.mark.parametrize("kind", ["read", "write"])
async def test_statements_have_a_time_limit_on_sqlite_as_well(
    kind: str, sqlite_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(connection: Connection) -> None:
        if kind == "write":
            note("half")(connection)
        connection.execute(text(SLOW["sqlite"]))

    with monkeypatch.context() as patch:
        patch.setattr(transactions, "SQLITE_LIMIT_S", 0.05)
        patch.setattr(transactions, "BUSY_TIMEOUT_S", 0.05)
        async with asyncio.timeout(slow_work.AT_ONCE_S):
            with pytest.raises(DatabaseBusyError):
                await getattr(sqlite_pool, kind)(slow)

    assert await sqlite_pool.read(notes) == []


@kills("shared/storage/transactions.py", "loop.call_later(INTERRUPTED_AGAIN_S, stop)", "pass")
async def test_an_interrupt_between_two_statements_is_not_lost(sqlite_pool: Pool) -> None:
    gate = Gate("sqlite")
    reader = asyncio.create_task(sqlite_pool.read(gate.then(Slow())))
    await gate.begun.wait()
    reader.cancel()
    await asyncio.wait([reader])  # the first interrupt met no statement

    await gate.open()

    await idle(sqlite_pool)


@kills("shared/storage/transactions.py", "self._connection = None", "pass")
def test_an_interrupt_never_meets_the_next_transaction_of_a_connection() -> None:
    interrupted: list[bool] = []
    statements = _Statements()
    with statements.on(SimpleNamespace(interrupt=lambda: interrupted.append(True))):
        statements.interrupt()
    statements.interrupt()

    assert interrupted == [True]


async def test_an_error_does_not_show_what_was_to_be_stored(pool: Pool) -> None:
    """It ends up in the log, and a value may be a secret."""
    insert = text("INSERT INTO nowhere VALUES (:value)")
    with pytest.raises((DBAPIError, DatabaseBusyError)) as caught:
        await pool.write(lambda connection: connection.execute(insert, {"value": "a secret"}).close())

    said = str(caught.value.__cause__ if isinstance(caught.value, DatabaseBusyError) else caught.value)
    assert "nowhere" in said
    assert "a secret" not in said


async def test_connections_are_given_out_in_the_order_in_which_they_were_asked_for(pool: Pool, url: str) -> None:
    """One slot circulates; a served caller asks again before the next waiter has resumed."""
    gate = Gate(url)
    await gate.close()
    holders = [asyncio.create_task(pool.read(gate.then(notes))) for _ in range(places(pool) - 1)]
    await gate.begun.wait()
    served: list[int] = []

    async def reads(number: int) -> None:
        for _ in range(3):
            await pool.read(lambda _: served.append(number))

    await asyncio.gather(*(reads(number) for number in range(30)))
    await gate.open()
    await asyncio.gather(*holders)

    assert served == [*range(30)] * 3


async def test_a_newcomer_never_takes_the_slot_for_which_a_waiter_was_woken() -> None:
    slots, served = ConnectionSlots(1), []

    async def asks(name: str) -> None:
        await slots.acquire()
        served.append(name)
        slots.release()

    await slots.acquire()
    waiter = asyncio.create_task(asks("waiter"))
    await asyncio.sleep(0)  # it waits
    slots.release()
    await asks("newcomer")  # before the waiter has run again
    await waiter

    assert served == ["waiter", "newcomer"]


@kills("shared/storage/database.py", "async with asyncio.timeout(BUSY_TIMEOUT_S):", "async with asyncio.timeout(None):")
async def test_waiting_for_a_connection_has_an_end_and_costs_no_place(
    pool: Pool, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.02)
    gate = Gate(url)
    await gate.close()
    holders = [asyncio.create_task(pool.read(gate.then(notes))) for _ in range(places(pool))]
    await gate.begun.wait()

    late = await asyncio.gather(*(pool.read(notes) for _ in range(20)), return_exceptions=True)

    assert [type(one) for one in late] == [DatabaseBusyError] * 20
    await gate.open()
    await asyncio.gather(*holders)
    assert await asyncio.gather(*(pool.read(notes) for _ in range(places(pool)))) == [[]] * places(pool)


async def test_closing_waits_for_a_write_that_no_one_waits_for(pool: Pool, url: str) -> None:
    gate = Gate(url)
    await gate.close()
    writer = asyncio.create_task(pool.write(gate.then(note("kept"))))
    await gate.begun.wait()
    writer.cancel()

    closing = asyncio.create_task(pool.close())
    await asyncio.wait([closing], timeout=0.3)  # longer than it takes without waiting
    assert not closing.done()
    await gate.open()
    await closing

    async with open_transactions(resolve_url(url)) as again:
        assert await again.read(notes) == ["kept"]


def places(pool: Pool) -> int:
    return CONNECTIONS["sqlite" if isinstance(pool, SqliteTransactions) else "postgresql"]


def checked_out(pool: Pool) -> int:
    made = pool.engine.pool
    assert isinstance(made, QueuePool)
    return made.checkedout()
