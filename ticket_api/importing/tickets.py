"""Imports tickets: all rows are checked first, then stored in small transactions.

A server over the same database goes on meanwhile. Stopping between or in these transactions loses nothing: the same
import, repeated, leaves alone what is stored and stores the rest.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from shared.storage.database import DatabaseBusyError
from ticket_api.commands import CommandError
from ticket_api.errors import ApiConflictError
from ticket_api.importing.checking import Checked, CheckedRow, RawRow, check
from ticket_api.importing.directory import Directory
from ticket_api.importing.storing import Outcome, chunks, store
from ticket_api.store.connection import TenantConnection
from ticket_api.tenancy import TenantDatabase

ATTEMPTS: Final = 5
PAUSE_S: Final = 0.1
"""Between two transactions: long enough for a writer that waits for SQLite's lock, which it asks for every 100 ms."""


class ImportStoppedError(CommandError):
    """The import ended early; the message says how far it got and that repeating it is safe."""

    def __init__(self, outcomes: Sequence[Outcome], of: int, why: str) -> None:
        super().__init__(
            f"Stopped after {len(outcomes):,} of {of:,} rows: {why} Repeat the same import: it leaves alone what is "
            "already stored."
        )


async def check_rows(tenants: TenantDatabase, tenant: str, rows: Sequence[RawRow], now: datetime) -> Checked:
    """Check rows against the master data of a tenant. Raises: DatabaseBusyError."""
    directory = await tenants.read(tenant, Directory.load)
    return await asyncio.to_thread(check, rows, directory, now)


async def store_rows(
    tenants: TenantDatabase,
    tenant: str,
    rows: Sequence[CheckedRow],
    clock: Callable[[], datetime],
    *,
    dry_run: bool,
    on_progress: Callable[[Sequence[Outcome]], None],
) -> list[Outcome]:
    """Store checked rows, or only say what would become of them, and return what became of each.

    Each ticket is made at the time of its own transaction, since an import may take minutes. `on_progress` is called
    after each transaction, with what became of all rows so far.

    Raises:
        ImportStoppedError: the database is not available, or master data that a row needs was removed meanwhile.
    """
    outcomes: list[Outcome] = []
    for part in chunks(rows):
        try:
            outcomes += await _store(tenants, tenant, part, clock, dry_run=dry_run)
        except (DatabaseBusyError, ApiConflictError) as error:
            raise ImportStoppedError(outcomes, len(rows), str(error)) from error
        on_progress(outcomes)
        if not dry_run and any(one.result == "created" for one in outcomes[-len(part) :]):
            await asyncio.sleep(PAUSE_S)
    return outcomes


async def _store(
    tenants: TenantDatabase, tenant: str, rows: Sequence[CheckedRow], clock: Callable[[], datetime], *, dry_run: bool
) -> list[Outcome]:
    """Store one part in one transaction, again if the database is busy. Raises: DatabaseBusyError."""

    def work(db: TenantConnection) -> list[Outcome]:
        return store(db, rows, clock(), dry_run=dry_run)

    run = tenants.read if dry_run else tenants.write
    for _ in range(ATTEMPTS - 1):
        try:
            return await run(tenant, work)
        except DatabaseBusyError as error:
            if type(error) is not DatabaseBusyError:  # an operator has to act first
                raise
            await asyncio.sleep(PAUSE_S)
    return await run(tenant, work)
