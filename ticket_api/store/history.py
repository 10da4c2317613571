"""A ticket's history: its changes and comments."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import RowMapping, func

from ticket_api.store import numbers
from ticket_api.store.connection import TenantConnection
from ticket_api.store.tables import history_changed_fields as changed_fields
from ticket_api.store.tables import ticket_history, tickets, users


class HistoryChange(NamedTuple):
    """One changed field, as shown to users."""

    field_name: str
    old_value: str | None
    new_value: str | None


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
    """Return the id of the newest entry of a ticket, which is the largest, or 0 if there is none."""
    largest = func.coalesce(func.max(ticket_history.c.id), 0)
    return int(db.scalar(db.select(ticket_history, largest).where(ticket_history.c.ticket_id == ticket_id)))


def of_ticket(db: TenantConnection, ticket_id: str) -> list[tuple[RowMapping, list[RowMapping]]]:
    """Return the entries of a ticket, newest first, each with its changed fields, in two statements."""
    mine = ticket_history.c.ticket_id == ticket_id
    entries = db.execute(
        db.select(ticket_history, ticket_history, users.c.name.label("user_name"))
        .outerjoin(users)
        .where(mine)
        .order_by(ticket_history.c.timestamp.desc(), ticket_history.c.id.desc())
    )
    fields = db.execute(  # an outer join, so that planners start with the entries of this one ticket
        db.select(ticket_history, changed_fields)
        .outerjoin(changed_fields)
        .where(mine)
        .order_by(changed_fields.c.position)
    )
    of_entry: dict[int | None, list[RowMapping]] = defaultdict(list)  # None: entries without changed fields
    for field in fields.mappings():
        of_entry[field["history_id"]].append(field)
    return [(entry, of_entry[entry["id"]]) for entry in entries.mappings()]
