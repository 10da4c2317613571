"""Whether a database takes writes: asked with a write that is rolled back, at most every ten seconds for all who ask.

What it writes has to reach the disk. PostgreSQL gives a row its place at once. SQLite keeps an open transaction in
memory: a large row beside a small cache makes it write. What was rolled back leaves room in its write-ahead log, so
that a full disk shows when that room is used up, as it does for the writes of callers.
Source: SQLite, "Pragma cache_size" and "cache_spill"; tried on a file system of 1.5 MB.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from sqlalchemy import Connection, Executable

from shared.errors import TicketServerError
from shared.storage.database import DatabaseBusyError

ASKED_AGAIN_S: Final = 10.0
LIMIT_S: Final = 1.5
"""How long a caller waits for the answer; the write itself has the time limits of the database."""
_CHARACTERS: Final = 128 * 1024
_FEW_PAGES: Final = 2
_USUAL_CACHE: Final = -2000
"""SQLite's own default, in KiB below zero."""


class UndoneError(TicketServerError):
    """The write was done, and the transaction that this leaves is rolled back."""


def write_and_undo(connection: Connection, row_with: Callable[[str], Executable]) -> NoReturn:
    """Run the insert that `row_with` makes of a text, and leave the transaction.

    Raises:
        UndoneError: the database takes writes.
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
    """Shares one answer among all who ask within `ASKED_AGAIN_S`.

    Args:
        write: writes something and takes it back; raises UndoneError where that worked, else DatabaseBusyError.
        seconds: a clock that never goes back.
    """

    def __init__(self, write: Callable[[], Awaitable[None]], *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._seconds = seconds
        self._asked_at = 0.0
        self._asking: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """See that the database takes writes. Raises: DatabaseBusyError, whose `kind` says why not."""
        is_old = self._seconds() - self._asked_at >= ASKED_AGAIN_S
        if self._asking is None or (self._asking.done() and is_old):
            self._asked_at = self._seconds()
            self._asking = asyncio.create_task(self._ask())  # of its own: a caller that gives up ends no statement
        await asyncio.wait({self._asking}, timeout=LIMIT_S)
        if not self._asking.done():
            raise DatabaseBusyError
        self._asking.result()

    async def settle(self) -> None:
        """Wait for the question that is under way."""
        if self._asking is not None:
            await asyncio.wait({self._asking}, timeout=LIMIT_S)

    async def _ask(self) -> None:
        try:
            await self._write()
        except UndoneError:
            return
