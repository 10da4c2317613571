"""Statements that read and write single tickets. The rules for writes are in `ticket_api.writes`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import (
    FromClause,
    RowMapping,
    Select,
    String,
    and_,
    bindparam,
    select,
)

from ticket_api.http.models.requests import NewAttachment
from ticket_api.store import numbers
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search import fold, index_tickets
from ticket_api.store.tables import (
    accounts,
    attachments,
    categories,
    category_details,
    request_channels,
    response_categories,
    statuses,
    tickets,
    users,
)

LISTED: Final = MappingProxyType({
    "requestor": users.alias("requestors"),
    "account": accounts,
    "category": categories,
    "category_detail": category_details,
    "person_in_charge": users.alias("people_in_charge"),
    "status": statuses,
})  # fmt: skip
"""The table behind each `…_id` of a ticket that a list shows as `…_name`."""
SHOWN: Final = MappingProxyType(
    {**LISTED, "request_channel": request_channels, "response_category": response_categories}
)


def with_names(found: FromClause, names: Mapping[str, FromClause]) -> Select[Any]:
    """Select the tickets in `found`, joined with `names`. Building this query costs more than running it."""
    labels = (table.c.name.label(f"{what}_name") for what, table in names.items())
    query = select(found, *labels, statuses.c.completed).select_from(found)
    for what, table in names.items():
        query = query.outerjoin(
            table, and_(table.c.tenant_id == found.c.tenant_id, table.c.id == found.c[f"{what}_id"])
        )
    return query


_ONE: Final = bindparam("ticket_id", type_=String(50))
_IS_ONE: Final = tickets.c.id == _ONE
_SHOWN: Final = TenantConnection.only(with_names(tickets, SHOWN), tickets).where(_IS_ONE)
_ID: Final = TenantConnection.select(tickets, tickets.c.id).where(_IS_ONE)
_LOCKED: Final = TenantConnection.select(tickets).where(_IS_ONE).with_for_update()
_INSERT: Final = TenantConnection.insert(tickets)
_INSERT_FILE: Final = TenantConnection.insert(attachments)
_FILES: Final = TenantConnection.select(attachments).where(attachments.c.ticket_id == _ONE).order_by(attachments.c.id)


def read(db: TenantConnection, ticket_id: str) -> RowMapping | None:
    """Return one ticket with all names, or None."""
    return db.execute(_SHOWN, {_ONE.key: ticket_id}).mappings().one_or_none()


def read_attachments(db: TenantConnection, ticket_id: str) -> Sequence[RowMapping]:
    """Return a ticket's attachments in the order in which they were sent."""
    return db.execute(_FILES, {_ONE.key: ticket_id}).mappings().all()


def exists(db: TenantConnection, ticket_id: str) -> bool:
    """Return whether the ticket exists."""
    return db.scalar(_ID, {_ONE.key: ticket_id}) is not None


def lock(db: TenantConnection, ticket_id: str) -> RowMapping | None:
    """Return a ticket's own columns, or None, and lock it against other writers until the transaction ends."""
    return db.execute(_LOCKED, {_ONE.key: ticket_id}).mappings().one_or_none()


def insert_tickets(db: TenantConnection, rows: Sequence[Mapping[str, Any]], at: datetime) -> range:
    """Store and index tickets of the same columns, made at this moment, and return their numbers, the next ones."""
    taken = numbers.take(db, "last", len(rows))
    made = [
        {"id": ticket_id(number), "number": number, "updated_at": at, **_folded(values)}
        for number, values in zip(taken, rows, strict=True)
    ]
    db.execute(_INSERT, made)
    index_tickets(db, taken)
    return taken


def ticket_id(number: int) -> str:
    """Return the id of the ticket with this number."""
    return f"TCK-{number:04}"


def update_ticket(db: TenantConnection, ticket_id: str, values: Mapping[str, Any]) -> None:
    """Change columns of a ticket."""
    db.execute(db.update(tickets).where(tickets.c.id == ticket_id).values(**_folded(values)))


def insert_attachments(db: TenantConnection, ticket_id: str, files: Sequence[NewAttachment], at: datetime) -> None:
    """Store the locations of a ticket's files."""
    if not files:
        return
    ids = numbers.take(db, "last_attachment", len(files))
    about = {"ticket_id": ticket_id, "uploaded_at": at}
    rows = [{"id": id_, **about, **file.model_dump()} for id_, file in zip(ids, files, strict=True)]
    db.execute(_INSERT_FILE, rows)


def _folded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with the columns for search updated."""
    folded = {"summary_folded": fold(values["summary"])} if "summary" in values else {}
    return {**values, **folded}
