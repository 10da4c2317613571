"""Reading and writing tickets. Rules of what may be written are in `ticket_api.writes`.

A list is one statement and a ticket two, however many rows and names they hold.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    RowMapping,
    Select,
    asc,
    desc,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from ticket_api.folding import fold
from ticket_api.models import NewAttachment, TicketQuery
from ticket_api.tables import (
    accounts,
    attachments,
    categories,
    category_details,
    request_channels,
    response_categories,
    statuses,
    ticket_numbers,
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


def _with_names() -> Select[Any]:
    return (
        select(
            tickets,
            requestors.c.name.label("requestor_name"),
            accounts.c.name.label("account_name"),
            categories.c.name.label("category_name"),
            category_details.c.name.label("category_detail_name"),
            people_in_charge.c.name.label("person_in_charge_name"),
            statuses.c.name.label("status_name"),
            statuses.c.completed.label("completed"),
        )
        .select_from(tickets)
        .join(requestors, requestors.c.id == tickets.c.requestor_id)
        .join(accounts, accounts.c.id == tickets.c.account_id)
        .join(categories, categories.c.id == tickets.c.category_id)
        .join(category_details, category_details.c.id == tickets.c.category_detail_id)
        .join(people_in_charge, people_in_charge.c.id == tickets.c.person_in_charge_id)
        .join(statuses, statuses.c.id == tickets.c.status_id)
    )


async def search(connection: AsyncConnection, query: TicketQuery) -> Sequence[RowMapping]:
    """Return one page of the tickets that `query` asks for, with names, in its order."""
    column = SORTABLE[query.sort_by]
    direct = asc if query.sort_order == "asc" else desc
    page: Select[Any] = (
        _with_names()
        .where(*_conditions(query))
        .order_by(direct(column).nulls_last(), direct(tickets.c.number))
        .limit(query.limit)
        .offset(query.offset)
    )
    found: Sequence[RowMapping] = (await connection.execute(page)).mappings().all()
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


async def read(connection: AsyncConnection, ticket_id: str) -> RowMapping | None:
    """Return one ticket with all names, or nothing."""
    ticket = (
        _with_names()
        .join(request_channels, request_channels.c.id == tickets.c.request_channel_id)
        .outerjoin(response_categories, response_categories.c.id == tickets.c.response_category_id)
        .add_columns(
            request_channels.c.name.label("request_channel_name"),
            response_categories.c.name.label("response_category_name"),
        )
        .where(tickets.c.id == ticket_id)
    )
    return (await connection.execute(ticket)).mappings().one_or_none()


async def read_attachments(connection: AsyncConnection, ticket_id: str) -> Sequence[RowMapping]:
    """Return a ticket's attachments in the order in which they were given."""
    query = select(attachments).where(attachments.c.ticket_id == ticket_id).order_by(attachments.c.id)
    return (await connection.execute(query)).mappings().all()


async def exists(connection: AsyncConnection, ticket_id: str) -> bool:
    """Tell whether there is such a ticket."""
    return await connection.scalar(select(tickets.c.id).where(tickets.c.id == ticket_id)) is not None


async def lock(connection: AsyncConnection, ticket_id: str) -> RowMapping | None:
    """Return a ticket's own columns, or nothing, and keep other writers off it until the transaction ends."""
    query = select(tickets).where(tickets.c.id == ticket_id).with_for_update()
    return (await connection.execute(query)).mappings().one_or_none()


async def insert_ticket(connection: AsyncConnection, values: Mapping[str, Any]) -> str:
    """Store a ticket under the next number and return its id."""
    taken = update(ticket_numbers).values(last=ticket_numbers.c.last + 1).returning(ticket_numbers.c.last)
    number = await connection.scalar(taken)
    ticket_id = f"TCK-{number:04}"
    await connection.execute(insert(tickets).values(id=ticket_id, number=number, **_folded(values)))
    return ticket_id


async def update_ticket(connection: AsyncConnection, ticket_id: str, values: Mapping[str, Any]) -> None:
    """Change columns of a ticket."""
    await connection.execute(update(tickets).where(tickets.c.id == ticket_id).values(**_folded(values)))


async def insert_attachments(
    connection: AsyncConnection, ticket_id: str, files: Sequence[NewAttachment], at: datetime
) -> None:
    """Store where a ticket's files lie."""
    rows = [{"ticket_id": ticket_id, "uploaded_at": at, **file.model_dump()} for file in files]
    if rows:
        await connection.execute(insert(attachments), rows)


def _folded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with what search looks at kept in step."""
    folded = {"summary_folded": fold(values["summary"])} if "summary" in values else {}
    return {**values, **folded}
