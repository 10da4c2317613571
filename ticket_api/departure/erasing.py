"""Erases all that the ticket database holds of one tenant, in small transactions that can be repeated after a stop.

The keys go first, so that no new work comes in; then the tickets, some hundred at a time, so that other tenants do not
wait; then, in one transaction, all that is left. On PostgreSQL the owner of the tables must do it: the role that serves
may not delete tickets.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Delete, Table, bindparam, delete, insert
from sqlalchemy.exc import DBAPIError

from shared.storage.transactions import Transactions
from ticket_api.commands import CommandError, no_tenant
from ticket_api.store import numbers, tenants
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search import forget_tenant, forget_tickets, merge_index
from ticket_api.store.tables import (
    api_keys,
    attachments,
    erased_tenants,
    history_changed_fields,
    metadata,
    ticket_history,
    tickets,
)
from ticket_api.tenancy import DEFAULT

AT_ONCE: Final = 300
"""Tickets that one transaction erases."""
NOT_ALLOWED: Final = "42501"
"""PostgreSQL: insufficient_privilege."""
BUSY_S: Final = 30.0
"""How long to wait for the lock of an SQLite file, in seconds."""
_IDS: Final[BindParameter[Any]] = bindparam("ids", expanding=True)


def _with(table: Table) -> Delete:
    return TenantConnection.delete(table).where(table.c.ticket_id.in_(_IDS))


_ENTRIES: Final = TenantConnection.select(ticket_history, ticket_history.c.id).where(
    ticket_history.c.ticket_id.in_(_IDS)
)
_BATCH: Final = (
    TenantConnection.delete(history_changed_fields).where(history_changed_fields.c.history_id.in_(_ENTRIES)),
    _with(ticket_history),
    _with(attachments),
    TenantConnection.delete(tickets).where(tickets.c.id.in_(_IDS)),
)
"""What erases some tickets, in the order in which their rows refer to each other."""
_SOME: Final = TenantConnection.select(
    tickets, tickets.c.id, tickets.c.number, tickets.c.text_folded, tickets.c.names_folded
).limit(AT_ONCE)


async def erase_tenant(
    transactions: Transactions, tenant: str, *, now: datetime, on_progress: Callable[[int], None]
) -> int:
    """Erase a tenant and return how many tickets it had; `on_progress` gets the number erased so far.

    Its id is kept with the time, so that no other tenant gets it. `default` stays, empty: every deployment has it.
    After a stop, the same call goes on.

    Raises:
        CommandError: there is no such tenant, or the role of the database URL may not erase.
        DatabaseBusyError: the database is not available now; some of it may be erased.
    """
    try:
        await transactions.write(lambda connection: _close(connection, tenant))
        done = 0
        while count := await transactions.write(lambda connection: _erase_some(_open(connection, tenant))):
            done += count
            on_progress(done)
        done += await transactions.write(lambda connection: _erase_rest(_open(connection, tenant), now))
        while await transactions.write(lambda connection: merge_index(_open(connection, tenant))):
            pass  # what was erased is in the index until its parts are merged
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != NOT_ALLOWED:
            raise
        raise CommandError(
            "The role of the database URL may not erase tickets. Nothing was erased; use the URL of the tables' owner."
        ) from error
    return done


def _open(connection: Connection, tenant: str) -> TenantConnection:
    return TenantConnection.open(connection, tenant)


def _close(connection: Connection, tenant: str) -> None:
    if not tenants.exists(connection, tenant):
        raise no_tenant(tenant)
    db = _open(connection, tenant)
    db.execute(db.delete(api_keys))


def _erase_some(db: TenantConnection) -> int:
    found = db.execute(_SOME).all()
    if not found:
        return 0
    forget_tickets(db, [(row.number, row.text_folded, row.names_folded) for row in found])
    ids: dict[str, Any] = {_IDS.key: [row.id for row in found]}
    for statement in _BATCH:
        db.execute(statement, ids)
    return len(found)


def _erase_rest(db: TenantConnection, now: datetime) -> int:
    """Erase what is left, with what was written meanwhile by a request whose key was still cached."""
    numbers.hold(db)
    late = 0
    while count := _erase_some(db):
        late += count
    forget_tenant(db)
    for table in reversed(metadata.sorted_tables):
        if "tenant_id" in table.c:
            db.execute(db.delete(table))
    if db.tenant == DEFAULT:
        numbers.begin(db)
        return late
    db.connection.execute(delete(metadata.tables["tenants"]).where(metadata.tables["tenants"].c.id == db.tenant))
    db.connection.execute(insert(erased_tenants).values(id=db.tenant, erased_at=now))
    return late


async def overwrite_free_space(file: Path) -> bool:
    """Rewrite an SQLite file without its free space, where erased rows still are; return whether that was possible.

    It needs room for a second copy, and fails while another program reads or writes.
    """
    return await asyncio.to_thread(_rewrite, file)


def _rewrite(file: Path) -> bool:
    with closing(sqlite3.connect(file, timeout=BUSY_S, isolation_level=None)) as connection:
        try:
            connection.execute("VACUUM")
            (is_busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError:
            return False
    return not is_busy
