"""A ticket's history: who said or changed what, and when."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import RowMapping, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ticket_api.tables import history_changed_fields as changed_fields
from ticket_api.tables import ticket_history, users


class Change(NamedTuple):
    """A field of a change, as it is shown."""

    field_name: str
    old_value: str | None
    new_value: str | None


async def add(
    connection: AsyncConnection,
    ticket_id: str,
    *,
    user_id: str,
    at: datetime,
    comment: str | None,
    changes: Sequence[Change] = (),
) -> int:
    """Store an entry and return its id."""
    entry = insert(ticket_history).values(ticket_id=ticket_id, user_id=user_id, timestamp=at, comment=comment)
    history_id = int((await connection.execute(entry.returning(ticket_history.c.id))).scalar_one())
    if changes:
        rows = [{"history_id": history_id, **change._asdict()} for change in changes]
        await connection.execute(insert(changed_fields), rows)
    return history_id


async def of_ticket(connection: AsyncConnection, ticket_id: str) -> list[tuple[RowMapping, list[RowMapping]]]:
    """Return the entries of a ticket, newest first, each with its changed fields: two statements in all."""
    mine = ticket_history.c.ticket_id == ticket_id
    entries = await connection.execute(
        select(ticket_history, users.c.name.label("user_name"))
        .join_from(ticket_history, users)
        .where(mine)
        .order_by(ticket_history.c.timestamp.desc(), ticket_history.c.id.desc())
    )
    fields = await connection.execute(
        select(changed_fields).join_from(changed_fields, ticket_history).where(mine).order_by(changed_fields.c.id)
    )
    of_entry: dict[int, list[RowMapping]] = defaultdict(list)
    for field in fields.mappings():
        of_entry[field["history_id"]].append(field)
    return [(entry, of_entry[entry["id"]]) for entry in entries.mappings()]
