"""Long work in a transaction that signals when it has begun: for tests of callers that are cancelled."""

import asyncio
import threading
from collections.abc import Callable
from typing import Final, TypeVar

import asyncpg
from sqlalchemy import Connection, text

from shared.storage.transactions import Transactions

T = TypeVar("T")
SLOW: Final = {
    "sqlite": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c",
    "postgresql": "SELECT pg_sleep(60)",
}
SLEEPING: Final = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
AT_ONCE_S: Final = 2.0
"""Far below the statement timeout, and far above what "immediately" means on a busy machine."""


class Slow:
    """A statement that takes a minute or longer; `begun` is set once it runs.

    PostgreSQL ignores a cancellation that arrives before the statement, so there it must be seen running.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._watch: asyncio.Task[None] | None = None
        self.begun = asyncio.Event()

    def __call__(self, connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            url = connection.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
            self._watch = self._loop.create_task(self._see_it_run(url))
        else:
            self._loop.call_soon_threadsafe(self.begun.set)
        connection.execute(text(SLOW[connection.dialect.name]))

    async def _see_it_run(self, url: str) -> None:
        watcher = await asyncpg.connect(url)
        try:
            while not await watcher.fetchval(SLEEPING):
                pass  # each iteration awaits a response
        finally:
            await watcher.close()
        self.begun.set()


class Gate:
    """Work that waits inside its transaction until the gate is opened."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.get_running_loop()
        self._open = threading.Event()
        self._lock: asyncpg.Connection[asyncpg.Record] | None = None
        self.begun = asyncio.Event()

    async def close(self) -> None:
        """Close it before any work arrives; PostgreSQL's work must not block the event loop."""
        if not self._url.startswith("sqlite"):
            self._lock = await asyncpg.connect(self._url)
            await self._lock.execute("SELECT pg_advisory_lock(1)")

    async def open(self) -> None:
        """Let all work continue."""
        self._open.set()
        if self._lock is not None:
            await self._lock.close()

    def then(self, work: Callable[[Connection], T]) -> Callable[[Connection], T]:
        """Return `work` behind the gate."""

        def wait(connection: Connection) -> T:
            self._loop.call_soon_threadsafe(self.begun.set)
            if self._url.startswith("sqlite"):
                assert self._open.wait(10)
            else:
                connection.execute(text("SELECT pg_advisory_xact_lock_shared(1)"))
            return work(connection)

        return wait


async def idle(pool: Transactions, *, within_s: float | None = None) -> None:
    """Wait until nothing runs, which must be immediately: far below the statement timeout."""
    if pool._running:
        _, late = await asyncio.wait(pool._running, timeout=AT_ONCE_S if within_s is None else within_s)
        assert not late
