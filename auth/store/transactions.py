"""Transactions of the identity store. What was changed and the audit event that says so are stored together, or not."""

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
from shared.audit import AuditEvent, LoggedTrail
from shared.storage.database import Database
from shared.storage.write_check import write_and_undo

Clock = Callable[[], datetime]
_LENGTHS: Final = {column.name: column.type.length or 0 for column in audit_events.c if isinstance(column.type, String)}


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """An event with its moment, and an id by which writing it twice stores it once."""

    event: AuditEvent
    at: datetime
    id: str = field(default_factory=lambda: secrets.token_hex(16))

    def row(self) -> dict[str, Any]:
        """Return the row, each text cut and cleaned so that no database can refuse it."""
        texts = {name: _storable(text, _LENGTHS[name]) for name, text in asdict(self.event).items()}
        return {"id": self.id, "at": self.at, **texts}


def _storable(text: str, length: int) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "?")[:length]


async def append(connection: AsyncConnection, events: Sequence[TimedEvent]) -> None:
    """Store `events`, each at most once."""
    insert_new = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    await connection.execute(insert_new(audit_events).on_conflict_do_nothing(), [event.row() for event in events])


@dataclass(slots=True)
class Change:
    """One transaction that changes something, as of `now`."""

    connection: AsyncConnection
    now: datetime
    actor: str
    events: list[TimedEvent] = field(default_factory=list)

    def record(self, action: str, *, tenant: str = "", what: str = "", detail: str = "") -> None:
        """Have it audited that `action` was done to `what`, in this very transaction."""
        event = AuditEvent(action=action, outcome="ok", tenant=tenant, actor=self.actor, object=what, detail=detail)
        self.events.append(TimedEvent(event, self.now))


class Ledger:
    """Gives out the transactions of one database. `actor` is who the changes are audited as."""

    def __init__(self, database: Database, *, actor: str, clock: Clock) -> None:
        self._database = database
        self._actor = actor
        self.clock = clock

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Give a transaction that sees one state of the data. Raises: DatabaseBusyError."""
        return self._database.reading()

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Change]:
        """Give a transaction whose events are stored with it, and logged once it is done. Raises: DatabaseBusyError."""
        async with self._database.writing() as connection:
            change = Change(connection, self.clock(), self._actor)
            yield change
            if change.events:
                await append(connection, change.events)
        for timed in change.events:
            await LoggedTrail().record(timed.event)

    async def write_and_take_back(self) -> None:
        """Write as an audit event is written, and roll it back.

        Raises:
            UndoneError: that was possible.
            DatabaseBusyError: it was not.
        """
        row = TimedEvent(AuditEvent(action="check", outcome="ok"), self.clock()).row()
        async with self._database.writing() as connection:
            await connection.run_sync(write_and_undo, lambda text: insert(audit_events).values({**row, "detail": text}))


async def switch(change: Change, table: Table, row: RowMapping, noun: str, *, on: bool, tenant: str = "") -> None:
    """Disable what is in `row`, or enable it again; nothing is done, and nothing audited, where it is so already."""
    if (row["disabled_at"] is None) == on:
        return
    disabled_at = None if on else change.now
    await change.connection.execute(update(table).where(table.c.id == row["id"]).values(disabled_at=disabled_at))
    change.record(f"{noun}_{'enabled' if on else 'disabled'}", tenant=tenant, what=row["id"])
