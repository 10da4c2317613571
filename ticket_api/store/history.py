"""A ticket's history: its changes and comments."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, RowMapping, Select, and_, func, literal, select, tuple_

from ticket_api.errors import BadInputError
from ticket_api.http.models.queries import HistoryQuery, InTime
from ticket_api.store import numbers
from ticket_api.store.connection import TenantConnection
from ticket_api.store.tables import history_changed_fields as changed_fields
from ticket_api.store.tables import ticket_history, tickets, users
from ticket_api.times import end_of_millisecond

WHOLE: Final = HistoryQuery()
_PLACE: Final = (ticket_history.c.timestamp, ticket_history.c.id)
"""The order of a ticket's history; newest first."""


class HistoryChange(NamedTuple):
    """One changed field, as shown to users."""

    field_name: str
    old_value: str | None
    new_value: str | None


class Entry(NamedTuple):
    """A history entry with `user_name`, and the fields that it changed in their order."""

    row: RowMapping
    changed: Sequence[RowMapping]


def add(
    db: TenantConnection,
    ticket_id: str,
    *,
    user_id: str,
    at: datetime,
    comment: str | None,
    is_public: bool = False,
    changes: Sequence[HistoryChange] = (),
) -> int:
    """Store an entry, with which its ticket changes too, and return its id."""
    (history_id,) = numbers.take(db, "last_history")
    entry = {
        "id": history_id,
        "ticket_id": ticket_id,
        "user_id": user_id,
        "timestamp": at,
        "comment": comment,
        "is_public": is_public,
    }
    db.execute(db.insert(ticket_history).values(entry))
    db.execute(db.update(tickets).where(tickets.c.id == ticket_id).values(updated_at=at))
    if changes:
        rows = [{"history_id": history_id, "position": n, **change._asdict()} for n, change in enumerate(changes)]
        db.execute(db.insert(changed_fields), rows)
    return history_id


def newest(db: TenantConnection, ticket_id: str) -> int:
    """Return the id of the newest entry of a ticket, which is the largest, or 0 if the ticket has no entry."""
    largest = func.coalesce(func.max(ticket_history.c.id), 0)
    return int(db.scalar(db.select(ticket_history, largest).where(ticket_history.c.ticket_id == ticket_id)))


def of_ticket(db: TenantConnection, ticket_id: str, query: HistoryQuery = WHOLE) -> list[Entry]:
    """Return the entries of a ticket that match `query`, newest first, and one more if there are more.

    Raises:
        BadInputError: the ticket has no entry `query.before`.
    """
    wanted = db.select(ticket_history).where(*_wanted(ticket_id, query))
    if query.before is not None:
        wanted = wanted.where(tuple_(*_PLACE) < _place_of(db, ticket_id, query.before))
    if query.most is not None:
        wanted = wanted.order_by(*(column.desc() for column in _PLACE)).limit(query.most + 1)
    entries = read_entries(db, wanted)
    return sorted(entries, key=lambda entry: (entry.row["timestamp"], entry.row["id"]), reverse=True)


def count(db: TenantConnection, ticket_id: str, query: HistoryQuery) -> int:
    """Return how many entries of a ticket lie in the range of `query`."""
    return int(db.scalar(db.select(ticket_history, func.count()).where(*_wanted(ticket_id, query))))


def in_time(query: InTime) -> list[ColumnElement[bool]]:
    """Return the conditions on the time of an entry."""
    conditions: list[ColumnElement[bool]] = []
    if query.since is not None:
        conditions.append(ticket_history.c.timestamp >= query.since)
    if query.until is not None:
        conditions.append(ticket_history.c.timestamp <= end_of_millisecond(query.until))
    return conditions


def read_entries(db: TenantConnection, entries: Select[Any]) -> list[Entry]:
    """Return these entries, in no order, in two statements that both begin with them: hence the outer joins."""
    page = entries.cte("page")
    author = and_(users.c.tenant_id == page.c.tenant_id, users.c.id == page.c.user_id)
    named = select(page, users.c.name.label("user_name")).outerjoin(users, author)
    mine = and_(changed_fields.c.tenant_id == page.c.tenant_id, changed_fields.c.history_id == page.c.id)
    fields = select(page.c.id, changed_fields).outerjoin(changed_fields, mine).order_by(changed_fields.c.position)
    of_entry: dict[int | None, list[RowMapping]] = defaultdict(list)  # None: entries without changed fields
    for field in db.execute(fields).mappings():
        of_entry[field["history_id"]].append(field)
    return [Entry(row, of_entry[row["id"]]) for row in db.execute(named).mappings()]


def _wanted(ticket_id: str, query: HistoryQuery) -> list[ColumnElement[bool]]:
    return [ticket_history.c.ticket_id == ticket_id, *in_time(query)]


def _place_of(db: TenantConnection, ticket_id: str, entry: int) -> ColumnElement[Any]:
    mine = (ticket_history.c.ticket_id == ticket_id, ticket_history.c.id == entry)
    place = db.execute(db.select(ticket_history, *_PLACE).where(*mine)).one_or_none()
    if place is None:
        raise BadInputError(f"before: the ticket has no entry {entry}", field="before")
    return tuple_(*(literal(value, column.type) for value, column in zip(place, _PLACE, strict=True)))
