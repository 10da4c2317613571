"""The audit table: append, read in pages, prune after the retention period."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, select, tuple_

from auth.store import queries
from auth.store.records import AuditRecord
from auth.store.tables import audit_events
from auth.store.transactions import AuditedTransactions, TimedEvent, append
from shared.errors import InvalidInputError

KEPT: Final = timedelta(days=90)
"""How long an event cannot be deleted; the triggers of the table enforce the same period."""
PAGE: Final = 500
PRUNED_AT_ONCE: Final = 1000


class AuditTable:
    """Stores audit events. All methods raise: DatabaseBusyError."""

    def __init__(self, transactions: AuditedTransactions) -> None:
        self._transactions = transactions

    async def append(self, events: Sequence[TimedEvent]) -> None:
        """Store events; those already stored are left unchanged."""
        async with self._transactions.changing() as change:
            await append(change.connection, events)

    async def events(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        tenant: str | None = None,
        newest_first: bool = False,
    ) -> AsyncIterator[AuditRecord]:
        """Yield events from `since` (inclusive) to `until` (exclusive), both timezone-aware, ordered by time.

        Reads one page per transaction, so it uses little memory and holds no transaction while its caller writes;
        events recorded meanwhile may be included.

        Raises:
            UnknownTenantError: there is no such tenant.
        """
        if tenant is not None:
            async with self._transactions.reading() as connection:
                await queries.tenant(connection, tenant)
        place = tuple_(audit_events.c.at, audit_events.c.id)
        order = (audit_events.c.at, audit_events.c.id)
        wanted: list[ColumnElement[bool]] = []
        if since is not None:
            wanted.append(audit_events.c.at >= since)
        if until is not None:
            wanted.append(audit_events.c.at < until)
        if tenant is not None:
            wanted.append(audit_events.c.tenant == tenant)
        query = select(audit_events).where(*wanted).limit(PAGE)
        query = query.order_by(*(column.desc() for column in order) if newest_first else order)
        page = query
        while True:
            async with self._transactions.reading() as connection:
                rows = [AuditRecord(**row) for row in (await connection.execute(page)).mappings()]
            for row in rows:
                yield row
            if len(rows) < PAGE:
                return
            last = tuple_(rows[-1].at, rows[-1].id)
            page = query.where(place < last if newest_first else place > last)

    async def prune(self, before: datetime) -> int:
        """Delete events before `before`, a timezone-aware time at least 90 days ago; return how many were deleted.

        Deletes a thousand per transaction, each with an audit event of its own.

        Raises:
            InvalidInputError: `before` is less than 90 days ago.
        """
        if before > self._transactions.clock() - KEPT:
            raise InvalidInputError(
                f"Audit events are kept for at least {KEPT.days} days: give an earlier time.", field="before"
            )
        oldest = select(audit_events.c.id).where(audit_events.c.at < before).limit(PRUNED_AT_ONCE)
        pruned = 0
        while True:
            async with self._transactions.changing() as change:
                deleted = await change.connection.execute(delete(audit_events).where(audit_events.c.id.in_(oldest)))
                if deleted.rowcount:
                    change.record("audit_pruned", detail=f"{deleted.rowcount} before {before.isoformat()}")
            pruned += deleted.rowcount
            if deleted.rowcount < PRUNED_AT_ONCE:
                return pruned
