"""Runs whole transactions of synchronous code: a function takes a connection, and its return value is the result.

SQLite: the function runs in a worker thread, so that a request costs one thread switch instead of one per statement.
PostgreSQL: the function runs in a greenlet and yields to the event loop at each statement (SQLAlchemy's `run_sync`).

When the caller is cancelled, a reading function stops at its current statement; a writing function that has begun runs
to its end. Statements have a time limit on both databases.
Source: SQLite, "Interrupt A Long-Running Query": an interrupt affects only the statements running at that moment.
"""

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from contextvars import copy_context
from threading import Lock
from typing import Any, Final, TypeVar

from sqlalchemy import URL, Connection

from shared.storage.connections import CONNECTIONS
from shared.storage.database import (
    BUSY_TIMEOUT_S,
    ConnectionSlots,
    busy_as_error,
    make_engine,
    make_threads_engine,
)

T = TypeVar("T")
Work = Callable[[Connection], T]
SQLITE_LIMIT_S: Final = 5.0
"""Time limit for the statements of one SQLite transaction together; PostgreSQL's `statement_timeout` is for each."""
INTERRUPTED_AGAIN_S: Final = 0.02
"""Interval at which an interrupt is repeated until the work ends; between two statements it has no effect."""


class Transactions(ABC):
    """A bounded pool of connections, given out in order of request. All methods raise: DatabaseBusyError."""

    def __init__(self, places: int) -> None:
        self._slots = ConnectionSlots(places)
        self._running: set[asyncio.Future[Any]] = set()

    async def read(self, work: Work[T]) -> T:
        """Return the result of `work` in a transaction that reads one snapshot of the data.

        When the caller is cancelled, the statement is interrupted; the connection returns to the pool once it ends.
        """
        future, stop = await self._begin(work, writes=False)
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # no caller is left
            stop()
            raise
        return future.result()

    async def write(self, work: Work[T]) -> T:
        """Return the result of `work` in a transaction that is committed at the end, or rolled back if it raises.

        When the caller is cancelled, a transaction that has begun runs to its end.
        """
        future, _ = await self._begin(work, writes=True)
        await asyncio.wait([future])
        return future.result()

    async def close(self) -> None:
        """Wait for running transactions; statements have a time limit."""
        if self._running:
            await asyncio.wait(self._running)

    async def _begin(self, work: Work[T], *, writes: bool) -> tuple[asyncio.Future[T], Callable[[], object]]:
        await self._slots.acquire()
        future, stop = self._start(work, writes=writes)
        self._running.add(future)
        future.add_done_callback(self._end)
        return future, stop

    def _end(self, future: asyncio.Future[Any]) -> None:
        self._running.discard(future)
        self._slots.release()

    @abstractmethod
    def _start(self, work: Work[T], *, writes: bool) -> tuple[asyncio.Future[T], Callable[[], object]]:
        """Start a transaction; return the future of its result, and a function that interrupts it."""


class PostgresTransactions(Transactions):
    """Transactions over asyncpg, one task each; cancelling the task cancels the statement in the server."""

    def __init__(self, url: URL) -> None:
        super().__init__(CONNECTIONS["postgresql"])
        self.engine = make_engine(url)

    async def close(self) -> None:
        """Wait for running transactions, then close the connections."""
        await super().close()
        await self.engine.dispose()

    def _start(self, work: Work[T], *, writes: bool) -> tuple[asyncio.Future[T], Callable[[], object]]:
        task = asyncio.create_task(self._transaction(work, writes=writes))
        return task, task.cancel

    async def _transaction(self, work: Work[T], *, writes: bool) -> T:
        with busy_as_error():
            async with self.engine.connect() as connection:
                if not writes:  # READ COMMITTED takes a new snapshot per statement
                    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                async with connection.begin():
                    return await connection.run_sync(work)


class SqliteTransactions(Transactions):
    """Transactions over the standard library's driver, in one thread per connection."""

    def __init__(self, url: URL) -> None:
        super().__init__(CONNECTIONS["sqlite"])
        self.engine = make_threads_engine(url)
        self._threads = ThreadPoolExecutor(CONNECTIONS["sqlite"], thread_name_prefix="sqlite")

    async def close(self) -> None:
        """Wait for running transactions, then end the threads."""
        await super().close()
        self._threads.shutdown()
        self.engine.dispose()

    def _start(self, work: Work[T], *, writes: bool) -> tuple[asyncio.Future[T], Callable[[], object]]:
        loop = asyncio.get_running_loop()
        statements = _Statements()
        begin = copy_context().run  # lines and spans of the transaction belong to the request
        future: asyncio.Future[T] = loop.run_in_executor(
            self._threads, begin, self._transaction, work, writes, statements
        )

        def stop() -> None:
            if not future.done():
                statements.interrupt()
                loop.call_later(INTERRUPTED_AGAIN_S, stop)

        limit = SQLITE_LIMIT_S + (BUSY_TIMEOUT_S if writes else 0)  # a writer may first wait for its lock
        timer = loop.call_later(limit, stop)
        future.add_done_callback(lambda _: timer.cancel())
        return future, stop

    def _transaction(self, work: Work[T], writes: bool, statements: "_Statements") -> T:
        with busy_as_error(), self.engine.connect() as connection:
            connection.execution_options(sqlite_begin="BEGIN IMMEDIATE" if writes else "BEGIN")
            with connection.begin(), statements.on(connection.connection.driver_connection):
                return work(connection)


class _Statements:
    """The statements of one transaction, which another thread can interrupt without affecting other transactions."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def on(self, connection: Any) -> Iterator[None]:
        """Allow interrupts on `connection` until the block ends; then the pool may give it to another transaction."""
        with self._lock:
            self._connection = connection
        try:
            yield
        finally:
            with self._lock:
                self._connection = None

    def interrupt(self) -> None:
        """Interrupt the running statement, if any."""
        with self._lock:
            if self._connection is not None:
                self._connection.interrupt()


@asynccontextmanager
async def open_transactions(url: URL) -> AsyncIterator[Transactions]:
    """Provide a connection pool for the duration of the block; it connects only on first use."""
    transactions = SqliteTransactions(url) if url.get_backend_name() == "sqlite" else PostgresTransactions(url)
    try:
        yield transactions
    finally:
        await transactions.close()
