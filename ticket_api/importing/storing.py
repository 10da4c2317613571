"""Stores checked rows as tickets: each once, however often and by however many programs it is imported.

A ticket with the external id of a row is left alone. Whether there is one is asked under the lock of the tenant's
ticket numbers, which a program that stores tickets holds until its transaction ends.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from sqlalchemy.exc import IntegrityError

from ticket_api.errors import ApiConflictError
from ticket_api.importing.checking import CheckedRow
from ticket_api.store import numbers, tickets
from ticket_api.store.connection import TenantConnection
from ticket_api.store.tables import tickets as table

MOST_AT_ONCE: Final = 200
MOST_CHARACTERS_AT_ONCE: Final = 200_000
OPTIONAL: Final = tuple(column.name for column in table.c if column.nullable)

Result = Literal["created", "already there", "already there, differs"]


class Outcome(NamedTuple):
    """What became of a row: `ticket_id` is empty in a dry run of a new ticket."""

    row: int
    external_id: str
    ticket_id: str
    result: Result


def chunks(rows: Sequence[CheckedRow]) -> Iterator[list[CheckedRow]]:
    """Yield the rows in parts that a transaction stores in a fraction of a second."""
    part: list[CheckedRow] = []
    size = 0
    for row in rows:
        length = sum(len(value) for value in row.values.values() if isinstance(value, str))
        if part and (len(part) == MOST_AT_ONCE or size + length > MOST_CHARACTERS_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    if part:
        yield part


def store(db: TenantConnection, rows: Sequence[CheckedRow], now: datetime, *, dry_run: bool) -> list[Outcome]:
    """Store those rows whose external id no ticket has, in the transaction of `db`; return what became of each row.

    Raises:
        ConflictError: master data that a row refers to was removed since the rows were checked.
    """
    if not dry_run:
        numbers.hold(db)
    there = _there(db, rows)
    new = [row for row in rows if row.external_id not in there]
    made: Sequence[str] = [""] * len(new)
    if new and not dry_run:
        made = _insert(db, new, now)
    ids = {row.external_id: ticket_id for row, ticket_id in zip(new, made, strict=True)}
    return [
        there.get(row.external_id) or Outcome(row.number, row.external_id, ids[row.external_id], "created")
        for row in rows
    ]


def _insert(db: TenantConnection, rows: Sequence[CheckedRow], now: datetime) -> list[str]:
    """Store tickets with everything of them, and return their ids."""
    try:
        taken = tickets.insert_tickets(db, [dict.fromkeys(OPTIONAL) | dict(row.values) for row in rows], now)
    except IntegrityError as error:
        raise ApiConflictError(
            "Master data that a row refers to was removed meanwhile. None of these rows was stored.",
            kind="removed_meanwhile",
        ) from error
    made = [tickets.ticket_id(number) for number in taken]
    for row, ticket_id in zip(rows, made, strict=True):
        tickets.insert_attachments(db, ticket_id, row.attachments, now)
    return made


def _there(db: TenantConnection, rows: Sequence[CheckedRow]) -> dict[str, Outcome]:
    """Return the rows, by external id, that a ticket has already, and whether it differs from what the row gives."""
    known = db.select(table).where(table.c.external_ticket_id.in_([row.external_id for row in rows]))
    row_of = {row.external_id: row for row in rows}
    found: dict[str, Outcome] = {}
    for ticket in db.execute(known.order_by(table.c.number)).mappings():
        row = row_of[ticket["external_ticket_id"]]
        differs = any(ticket[column] != row.values[column] for column in row.given)
        result: Result = "already there, differs" if differs else "already there"
        found.setdefault(row.external_id, Outcome(row.number, row.external_id, ticket["id"], result))
    return found
