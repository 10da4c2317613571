"""Reading and writing tickets. Rules of what may be written are in `ticket_api.writes`.

A list is one statement and a ticket two, however many rows and names they hold.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, FromClause, RowMapping, Select, and_, asc, desc, or_

from ticket_api.folding import fold
from ticket_api.models import NewAttachment, TicketQuery
from ticket_api.store import numbers
from ticket_api.store.connection import TenantConnection
from ticket_api.tables import (
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

requestors: Final = users.alias("requestors")
people_in_charge: Final = users.alias("people_in_charge")
SORTABLE: Final[dict[str, Column[Any]]] = {
    "receptionDateTime": tickets.c.reception_date_time,
    "scheduledCompletionDate": tickets.c.scheduled_completion_date,
    "completionDate": tickets.c.completion_date,
}


def _is(table: FromClause, reference: str) -> ColumnElement[bool]:
    """Return that a row of `table` is the one to which a ticket's `reference` points."""
    return and_(table.c.tenant_id == tickets.c.tenant_id, table.c.id == tickets.c[reference])


def _with_names(db: TenantConnection) -> Select[Any]:
    return (
        db.select(
            tickets,
            tickets,
            requestors.c.name.label("requestor_name"),
            accounts.c.name.label("account_name"),
            categories.c.name.label("category_name"),
            category_details.c.name.label("category_detail_name"),
            people_in_charge.c.name.label("person_in_charge_name"),
            statuses.c.name.label("status_name"),
            statuses.c.completed.label("completed"),
        )
        .join(requestors, _is(requestors, "requestor_id"))
        .join(accounts, _is(accounts, "account_id"))
        .join(categories, _is(categories, "category_id"))
        .join(category_details, _is(category_details, "category_detail_id"))
        .join(people_in_charge, _is(people_in_charge, "person_in_charge_id"))
        .join(statuses, _is(statuses, "status_id"))
    )


def search(db: TenantConnection, query: TicketQuery) -> Sequence[RowMapping]:
    """Return one page of the tickets that `query` asks for, with names, in its order."""
    column = SORTABLE[query.sort_by]
    direct = asc if query.sort_order == "asc" else desc
    page: Select[Any] = (
        _with_names(db)
        .where(*_conditions(query))
        .order_by(direct(column).nulls_last(), direct(tickets.c.number))
        .limit(query.limit)
        .offset(query.offset)
    )
    found: Sequence[RowMapping] = (db.execute(page)).mappings().all()
    return found


def _conditions(query: TicketQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for column, value in (
        (tickets.c.person_in_charge_id, query.person_in_charge_id),
        (tickets.c.account_id, query.account_id),
        (tickets.c.status_id, query.status_id),
    ):
        if value is not None:
            conditions.append(column == value)
    if query.scheduled_completion_date_from is not None:
        conditions.append(tickets.c.scheduled_completion_date >= query.scheduled_completion_date_from)
    if query.scheduled_completion_date_to is not None:
        conditions.append(tickets.c.scheduled_completion_date <= query.scheduled_completion_date_to)
    if not query.show_completed:
        conditions.append(statuses.c.completed.is_(False))
    if query.search_query:
        searched = (tickets.c.summary_folded, accounts.c.name_folded, requestors.c.name_folded)
        conditions.append(or_(*(column.contains(fold(query.search_query), autoescape=True) for column in searched)))
    return conditions


def read(db: TenantConnection, ticket_id: str) -> RowMapping | None:
    """Return one ticket with all names, or nothing."""
    ticket = (
        _with_names(db)
        .join(request_channels, _is(request_channels, "request_channel_id"))
        .outerjoin(response_categories, _is(response_categories, "response_category_id"))
        .add_columns(
            request_channels.c.name.label("request_channel_name"),
            response_categories.c.name.label("response_category_name"),
        )
        .where(tickets.c.id == ticket_id)
    )
    return (db.execute(ticket)).mappings().one_or_none()


def read_attachments(db: TenantConnection, ticket_id: str) -> Sequence[RowMapping]:
    """Return a ticket's attachments in the order in which they were given."""
    query = db.select(attachments).where(attachments.c.ticket_id == ticket_id).order_by(attachments.c.id)
    return (db.execute(query)).mappings().all()


def exists(db: TenantConnection, ticket_id: str) -> bool:
    """Tell whether there is such a ticket."""
    return db.scalar(db.select(tickets, tickets.c.id).where(tickets.c.id == ticket_id)) is not None


def lock(db: TenantConnection, ticket_id: str) -> RowMapping | None:
    """Return a ticket's own columns, or nothing, and keep other writers off it until the transaction ends."""
    query = db.select(tickets).where(tickets.c.id == ticket_id).with_for_update()
    return (db.execute(query)).mappings().one_or_none()


def insert_ticket(db: TenantConnection, values: Mapping[str, Any]) -> str:
    """Store a ticket under the next number and return its id."""
    (number,) = numbers.take(db, "last")
    ticket_id = f"TCK-{number:04}"
    db.execute(db.insert(tickets).values(id=ticket_id, number=number, **_folded(values)))
    return ticket_id


def update_ticket(db: TenantConnection, ticket_id: str, values: Mapping[str, Any]) -> None:
    """Change columns of a ticket."""
    db.execute(db.update(tickets).where(tickets.c.id == ticket_id).values(**_folded(values)))


def insert_attachments(db: TenantConnection, ticket_id: str, files: Sequence[NewAttachment], at: datetime) -> None:
    """Store where a ticket's files lie."""
    if not files:
        return
    ids = numbers.take(db, "last_attachment", len(files))
    about = {"ticket_id": ticket_id, "uploaded_at": at}
    rows = [{"id": id_, **about, **file.model_dump()} for id_, file in zip(ids, files, strict=True)]
    db.execute(db.insert(attachments), rows)


def _folded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with what search looks at kept in step."""
    folded = {"summary_folded": fold(values["summary"])} if "summary" in values else {}
    return {**values, **folded}
