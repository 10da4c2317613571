"""Checks whether a database accepts writes by rolling a write back, at most once in ten seconds for all callers.

The write has to reach the disk. PostgreSQL allocates space for a row at once. SQLite keeps an open transaction in
memory; a large row with a small cache makes it write. Rolled-back writes leave free space in its write-ahead log, so a
full disk is noticed once that space is used up, as it is for callers' writes.
Source: SQLite, "Pragma cache_size" and "cache_spill"; tried on a file system of 1.5 MB.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from sqlalchemy import Connection, Executable

from shared.storage.database import DatabaseBusyError

ASKED_AGAIN_S: Final = 10.0
LIMIT_S: Final = 1.5
"""How long a caller waits for the result, in seconds; the write itself has the database's time limits."""
_CHARACTERS: Final = 128 * 1024
_FEW_PAGES: Final = 2
_USUAL_CACHE: Final = -2000
"""SQLite's default; negative values are KiB."""


class UndoneError(Exception):
    """The write succeeded; raising this rolls its transaction back."""


def write_and_undo(connection: Connection, row_with: Callable[[str], Executable]) -> NoReturn:
    """Run the insert that `row_with` returns for a text, then abort the transaction.

    Raises:
        UndoneError: the database accepts writes.
        DBAPIError: it does not.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA cache_size = {_FEW_PAGES}")
        try:
            connection.execute(row_with("x" * _CHARACTERS))
        finally:
            connection.exec_driver_sql(f"PRAGMA cache_size = {_USUAL_CACHE}")
    else:
        connection.execute(row_with("x"))
    raise UndoneError


class WriteCheck:
    """Shares one result among all callers within `ASKED_AGAIN_S`.

    Args:
        write: writes and rolls back; raises UndoneError if that worked, else DatabaseBusyError.
        seconds: a monotonic clock, in seconds.
    """

    def __init__(self, write: Callable[[], Awaitable[None]], *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._seconds = seconds
        self._asked_at = 0.0
        self._asking: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Check that the database accepts writes. Raises: DatabaseBusyError; its `kind` gives the reason."""
        is_old = self._seconds() - self._asked_at >= ASKED_AGAIN_S
        if self._asking is None or (self._asking.done() and is_old):
            self._asked_at = self._seconds()
            self._asking = asyncio.create_task(self._ask())  # a task, so that no cancelled caller ends it
        await asyncio.wait({self._asking}, timeout=LIMIT_S)
        if not self._asking.done():
            raise DatabaseBusyError
        self._asking.result()

    async def join(self) -> None:
        """Wait for a check in progress, if any."""
        if self._asking is not None:
            await asyncio.wait({self._asking}, timeout=LIMIT_S)

    async def _ask(self) -> None:
        try:
            await self._write()
        except UndoneError:
            return
