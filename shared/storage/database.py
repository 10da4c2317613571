"""Opens a database and provides transactions: one per unit of work, always closed.

The ticket API and the identity store each have a database of their own.

SQLite: WAL and foreign keys; a writer takes the write lock at BEGIN, so that two writers wait instead of failing half
way. PostgreSQL: asyncpg with time limits on connecting, statements and locks. Pools are bounded on both, and
connections are given out in order of request: SQLAlchemy's own queue lets a newcomer take the connection for which a
waiter was woken.
Source: SQLAlchemy 2.1, "SQLite: Serializable isolation / Savepoints / Transactional DDL" for taking BEGIN over.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from math import inf
from time import monotonic
from types import MappingProxyType
from typing import Any, ClassVar, Final

from sqlalchemy import URL, Connection, DateTime, Dialect, Engine, FromClause, create_engine, event, make_url
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from shared.errors import TicketServerError
from shared.storage.connections import CONNECTIONS

BUSY_TIMEOUT_S: Final = 5
"""How long one statement waits for a lock held by another connection, in seconds."""
ASKED_AFTER_S: Final = 5.0
"""How long a connection to PostgreSQL may be idle before it is tested, in seconds."""
STATEMENT_S: Final = 10
"""How long this process waits for one statement of PostgreSQL, in seconds; its server ends it sooner."""
DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
POSTGRESQL_LIMITS: Final = {
    "application_name": "ticket_server",
    "statement_timeout": "5000",
    "lock_timeout": "4000",
    "idle_in_transaction_session_timeout": "15000",
}
TEMPORARY_STATES: Final = {"55P03", "57014", "57P01", "57P02", "57P03", "40001", "40P01", "53300", "25P03"}
"""PostgreSQL's codes for temporary errors: lock and statement timeouts, shutdown, deadlock, too many connections."""


class UTCDateTime(TypeDecorator[datetime]):
    """An aware datetime: `timestamptz` on PostgreSQL; UTC without a time zone on SQLite, which has no such type."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC for SQLite."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware datetime in UTC, from either database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class DatabaseBusyError(TicketServerError):
    """The database is temporarily unavailable; nothing was changed, and the work may be retried."""

    kind = "database_busy"
    sentence: ClassVar[str] = "The database is busy or not reachable. Nothing was changed; try again in a moment."

    def __init__(self) -> None:
        super().__init__(self.sentence)


class DatabaseFullError(DatabaseBusyError):
    """The database's disk is full; reads may still work."""

    kind = "disk_full"
    sentence = "The disk of the database is full. Nothing was changed; the operator must make room there."


class DatabaseReadOnlyError(DatabaseBusyError):
    """The database can be read but not written."""

    kind = "read_only"
    sentence = (
        "The database is read-only. Nothing was changed; the operator must make its file and folder writable, or set "
        "the URL of the primary server."
    )


class DatabaseFailedError(DatabaseBusyError):
    """The database's file cannot be opened, read or written."""

    kind = "disk_failed"
    sentence = (
        "The file of the database cannot be opened, read or written. Nothing was changed; the operator must check the "
        "disk, its quota, the permissions of the file and its folder, and the limit of open files."
    )


UNUSABLE: Final[Mapping[str, type[DatabaseBusyError]]] = MappingProxyType({
    "SQLITE_FULL": DatabaseFullError,
    "SQLITE_READONLY": DatabaseReadOnlyError,
    "SQLITE_CANTOPEN": DatabaseFailedError,
    "SQLITE_IOERR": DatabaseFailedError,
    "53100": DatabaseFullError,
    "25006": DatabaseReadOnlyError,
    "58030": DatabaseFailedError,
})  # fmt: skip
"""Errors that an operator has to fix, by SQLite's primary result code or PostgreSQL's SQLSTATE (its appendix A)."""


def resolve_url(database_url: str) -> URL:
    """Return the URL with the asynchronous driver that this package uses.

    Raises:
        ValueError: it is not a URL of an SQLite file or of PostgreSQL. The text never contains the URL, which may hold
            a password.
    """
    try:
        url = make_url(database_url)
    except Exception as error:
        raise ValueError("The database URL cannot be parsed. Examples: sqlite:////data/tickets.sqlite3, "
                         "postgresql://user:password@host/database") from error  # fmt: skip
    driver = DRIVERS.get(url.drivername, url.drivername)
    if driver not in DRIVERS.values():
        raise ValueError("The database URL must begin with sqlite:// or postgresql://.")
    if driver.startswith("sqlite") and url.database in {None, "", ":memory:"}:
        raise ValueError("SQLite needs a file: each connection to :memory: would have a database of its own.")
    return _with_drivers_tls(url.set(drivername=driver))


def _with_drivers_tls(url: URL) -> URL:
    """Translate the usual parameter `sslmode` to asyncpg's `ssl`."""
    mode = url.query.get("sslmode")
    if mode is None or url.drivername != DRIVERS["postgresql"]:
        return url
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})


class ConnectionSlots:
    """The slots of a connection pool, one per connection, given out in order of request."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)  # waiters go before newcomers

    async def acquire(self) -> None:
        """Wait for a slot for at most `BUSY_TIMEOUT_S`; `leave` returns it. Raises: DatabaseBusyError."""
        if not self._free.locked():
            await self._free.acquire()  # does not wait
            return
        try:
            async with asyncio.timeout(BUSY_TIMEOUT_S):
                await self._free.acquire()
        except TimeoutError as error:
            raise DatabaseBusyError from error

    def release(self) -> None:
        """Return a slot, which goes to the caller that has waited longest."""
        self._free.release()


class Database:
    """A connection pool that provides transactions with awaitable statements."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._slots = ConnectionSlots(CONNECTIONS[engine.dialect.name])

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Provide a transaction that reads one snapshot of the data. Raises: DatabaseBusyError."""
        async with self._transaction("BEGIN") as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Provide a transaction that is committed at the end, or rolled back if the block raises.

        Raises: DatabaseBusyError.
        """
        async with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, sqlite_begin: str) -> AsyncIterator[AsyncConnection]:
        await self._slots.acquire()
        try:
            with busy_as_error():
                async with self.engine.connect() as connection:
                    await connection.execution_options(sqlite_begin=sqlite_begin)
                    async with connection.begin():
                        yield connection
        finally:
            self._slots.release()


@contextmanager
def busy_as_error() -> Iterator[None]:
    """Translate errors of the database into DatabaseBusyError if a retry, or an operator's fix, may help."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        if (unusable := unusable_as(error)) is not None:
            raise unusable from error
        if is_temporary(error):
            raise DatabaseBusyError from error
        raise


def unusable_as(error: BaseException) -> type[DatabaseBusyError] | None:
    """Return the class for an error that an operator has to fix before a retry can succeed, or None for others."""
    cause = getattr(error, "orig", None)
    name: str = getattr(cause, "sqlite_errorname", None) or ""  # SQLITE_IOERR_WRITE is a kind of SQLITE_IOERR
    return UNUSABLE.get(getattr(cause, "sqlstate", None) or "_".join(name.split("_")[:2]))


def is_temporary(error: BaseException) -> bool:
    """Whether the same statement may succeed later."""
    if not isinstance(error, DBAPIError):
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state in TEMPORARY_STATES
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def make_threads_engine(url: URL) -> Engine:
    """Return a bounded pool of SQLite connections for threads; the caller disposes of it."""
    engine = create_engine(
        url.set(drivername="sqlite"),
        hide_parameters=True,
        pool_size=CONNECTIONS["sqlite"],
        max_overflow=0,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
    )
    _adapt(engine)
    return engine


def make_engine(url: URL, *, statement_s: float = STATEMENT_S) -> AsyncEngine:
    """Return a bounded connection pool; the caller disposes of it. It connects only on first use."""
    if url.get_backend_name() == "sqlite":
        engine = create_async_engine(
            url,
            hide_parameters=True,  # in errors, which are logged
            pool_size=CONNECTIONS["sqlite"],
            max_overflow=0,
            connect_args={"timeout": BUSY_TIMEOUT_S},
        )
        _adapt(engine.sync_engine)
        return engine
    engine = create_async_engine(
        url,
        hide_parameters=True,
        pool_size=5,
        max_overflow=CONNECTIONS["postgresql"] - 5,
        pool_timeout=BUSY_TIMEOUT_S,
        connect_args={"timeout": 5, "command_timeout": statement_s, "server_settings": POSTGRESQL_LIMITS},
    )
    _replace_lost_connections(engine.sync_engine)
    return engine


@asynccontextmanager
async def open_engine(url: URL, *, statement_s: float = STATEMENT_S) -> AsyncIterator[AsyncEngine]:
    """Provide a connection pool for the duration of the block.

    Args:
        url: of the database.
        statement_s: how long this process waits for a statement of PostgreSQL, which has limits of its own, in seconds.
    """
    engine = make_engine(url, statement_s=statement_s)
    try:
        yield engine
    finally:
        await engine.dispose()


class _Compiler(SQLiteCompiler):
    """Writes hints, such as INDEXED BY, after the table that they are for; SQLAlchemy does so for other databases."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002
        return text


def _replace_lost_connections(engine: Engine) -> None:
    """Test a connection before its use, else a restart of the server costs each pooled one a failed request.

    The driver notices by itself that a server has closed a connection. A loss without a word, as in a network that
    forgets idle connections, shows only when something is sent; that takes three round trips, more than a small read,
    so a connection that was just used is not asked.
    """

    @event.listens_for(engine, "checkin")
    def note(_: object, record: ConnectionPoolEntry) -> None:
        record.info["used_at"] = monotonic()

    @event.listens_for(engine, "checkout")
    def test(connection: Any, record: ConnectionPoolEntry, _: object) -> None:
        if connection.driver_connection.is_closed():
            raise InvalidatePoolError
        if monotonic() - record.info.get("used_at", inf) > ASKED_AFTER_S:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as error:
                if not engine.dialect.is_disconnect(error, connection, None):
                    raise
                raise InvalidatePoolError from error


def _adapt(engine: Engine) -> None:
    """Begin transactions by an explicit BEGIN, because the driver begins late and only before some statements."""
    engine.dialect.statement_compiler = _Compiler

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = NORMAL")  # with WAL, safe against a crash of this process
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get("sqlite_begin", "BEGIN")
        if statement is not None:
            connection.exec_driver_sql(statement)
