"""Transactions of the identity store: a change and its audit event are committed together or not at all."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, String, Table, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.store.tables import audit_events
from shared.audit import AuditEvent, LoggedAuditTrail
from shared.storage.database import Database
from shared.storage.write_check import write_and_undo

Clock = Callable[[], datetime]
_LENGTHS: Final = {column.name: column.type.length or 0 for column in audit_events.c if isinstance(column.type, String)}


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """An event with its time, and an id that makes storing it idempotent."""

    event: AuditEvent
    at: datetime
    id: str = field(default_factory=lambda: secrets.token_hex(16))

    def row(self) -> dict[str, Any]:
        """Return the row, with each text cleaned and truncated so that no database rejects it."""
        texts = {name: _storable(text, _LENGTHS[name]) for name, text in asdict(self.event).items()}
        return {"id": self.id, "at": self.at, **texts}


def _storable(text: str, length: int) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "?")[:length]


async def append(connection: AsyncConnection, events: Sequence[TimedEvent]) -> None:
    """Store `events`, each at most once."""
    insert_new = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    await connection.execute(insert_new(audit_events).on_conflict_do_nothing(), [event.row() for event in events])


@dataclass(slots=True)
class AuditedChange:
    """One transaction that changes data, as of `now`."""

    connection: AsyncConnection
    now: datetime
    actor: str
    events: list[TimedEvent] = field(default_factory=list)

    def record(self, action: str, *, tenant: str = "", what: str = "", detail: str = "", by: str = "") -> None:
        """Record, in this transaction, that `action` was done to `what`, by the actor unless `by` names another."""
        who = by or self.actor
        event = AuditEvent(action=action, outcome="ok", tenant=tenant, actor=who, object=what, detail=detail)
        self.events.append(TimedEvent(event, self.now))


class AuditedTransactions:
    """Opens the transactions of one database. `actor` is recorded as the actor of changes."""

    def __init__(self, database: Database, *, actor: str, clock: Clock) -> None:
        self._database = database
        self._actor = actor
        self.clock = clock

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a transaction with one consistent view of the data. Raises: DatabaseBusyError."""
        return self._database.reading()

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[AuditedChange]:
        """Open a transaction; its events are committed with it and logged afterwards. Raises: DatabaseBusyError."""
        async with self._database.writing() as connection:
            change = AuditedChange(connection, self.clock(), self._actor)
            yield change
            if change.events:
                await append(connection, change.events)
        for timed in change.events:
            await LoggedAuditTrail().record(timed.event)

    async def write_and_take_back(self) -> None:
        """Write a row as for an audit event, and roll it back.

        Raises:
            UndoneError: the write was possible.
            DatabaseBusyError: it was not.
        """
        row = TimedEvent(AuditEvent(action="check", outcome="ok"), self.clock()).row()
        async with self._database.writing() as connection:
            await connection.run_sync(write_and_undo, lambda text: insert(audit_events).values({**row, "detail": text}))


async def switch(
    change: AuditedChange, table: Table, row: RowMapping, noun: str, *, on: bool, tenant: str = ""
) -> None:
    """Disable or enable the object in `row`; if it already is, nothing is changed and nothing is audited."""
    if (row["disabled_at"] is None) == on:
        return
    disabled_at = None if on else change.now
    await change.connection.execute(update(table).where(table.c.id == row["id"]).values(disabled_at=disabled_at))
    change.record(f"{noun}_{'enabled' if on else 'disabled'}", tenant=tenant, what=row["id"])
