"""Statements that read one page of a ticket list.

Planners know little about small tables and nothing about new ones (PostgreSQL's autovacuum analyses none below 50
rows), so no statement leaves them a choice that matters: tickets are found first, in `tickets` alone, and names are
joined to a complete page, by outer joins, with which no planner begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import ColumnClause, ColumnElement, RowMapping, TableClause, asc, desc, func, tuple_

from ticket_api.cursors import Place, show_place
from ticket_api.errors import BadInputError
from ticket_api.http.models.queries import TicketQuery
from ticket_api.store.connection import TenantConnection
from ticket_api.store.filters import conditions
from ticket_api.store.tables import tickets
from ticket_api.store.tickets import LISTED, with_names

Conditions = Sequence[ColumnElement[bool]]
IN_LISTS: Final = (
    *("tenant_id", "id", "number", "reception_date_time", "summary"),
    *("scheduled_completion_date", "completion_date", "external_ticket_id", "updated_at"),
    *(f"{what}_id" for what in LISTED),
)
SORTABLE: Final = MappingProxyType({
    "receptionDateTime": "reception_date_time",
    "scheduledCompletionDate": "scheduled_completion_date",
    "completionDate": "completion_date",
})  # fmt: skip
_PAGE: Final = TableClause("page", *(ColumnClause(name, tickets.c[name].type) for name in IN_LISTS))
_NAMED_PAGE: Final = with_names(_PAGE, LISTED)


@dataclass(frozen=True, slots=True)
class TicketPage:
    """One page of a list."""

    rows: Sequence[RowMapping]
    """As `IN_LISTS`, with names."""
    next_cursor: str | None
    total: int
    total_is_exact: bool


def read_page(db: TenantConnection, query: TicketQuery) -> TicketPage:
    """Return one page of the tickets that match `query`, in its order; the total only if `query.envelope`.

    Raises:
        BadInputError: there is no ticket of that id at the cursor.
    """
    wanted = conditions(db, query)
    numbers = _walk(db, query, wanted)
    rows = _named(db, numbers[: query.limit])
    total = 0
    if query.envelope:
        total = db.scalar(db.select(tickets, func.count()).where(*wanted))
    more = len(numbers) > query.limit
    return TicketPage(rows, _cursor_after(rows[-1], query) if more else None, total, total_is_exact=True)


def _walk(db: TenantConnection, query: TicketQuery, wanted: Conditions) -> list[int]:
    """Return the numbers of the tickets of the page, and of the one that follows.

    Tickets with a date, and after them those without, are each in the order of an index.
    """
    date = tickets.c[SORTABLE[query.sort_by]]
    place = query.place
    number = None if place is None else _number_at(db, place)
    found: list[int] = []
    if place is None or place.value is not None:
        dated = [*wanted, *([date.is_not(None)] if date.nullable else [])]
        found = _in_order(db, query, [*dated, *_after(query, date, place, number)], query.offset)
    if date.nullable and len(found) <= query.limit:
        undated = [*wanted, date.is_(None)]
        if place is not None and place.value is None:
            undated.append(_follows(query, tickets.c.number, number))
        skipped = 0
        if query.offset and not found:
            skipped = query.offset - db.scalar(db.select(tickets, func.count()).where(*wanted, date.is_not(None)))
        found += _in_order(db, query, undated, skipped)
    return found[: query.limit + 1]


def _after(query: TicketQuery, date: ColumnElement[Any], place: Place | None, number: int | None) -> Conditions:
    if place is None:
        return ()
    return (_follows(query, tuple_(date, tickets.c.number), tuple_(place.value, number)),)


def _follows(query: TicketQuery, column: Any, value: Any) -> ColumnElement[bool]:
    follows: ColumnElement[bool] = column > value if query.sort_order == "asc" else column < value
    return follows


def _in_order(db: TenantConnection, query: TicketQuery, wanted: Conditions, offset: int) -> list[int]:
    direct = asc if query.sort_order == "asc" else desc
    order = (direct(tickets.c[SORTABLE[query.sort_by]]), direct(tickets.c.number))
    page = db.select(tickets, tickets.c.number).where(*wanted).order_by(*order).limit(query.limit + 1).offset(offset)
    return list(db.scalars(page))


def _number_at(db: TenantConnection, place: Place) -> int:
    number: int | None = db.scalar(db.select(tickets, tickets.c.number).where(tickets.c.id == place.ticket_id))
    if number is None:
        raise BadInputError(f"cursor names {place.ticket_id}, which does not exist", field="cursor")
    return number


def _named(db: TenantConnection, numbers: Sequence[int]) -> list[RowMapping]:
    """Return the tickets of these numbers, in the same order, with names."""
    columns = (tickets.c[name] for name in IN_LISTS)
    page = db.select(tickets, *columns).where(tickets.c.number.in_(numbers)).limit(len(numbers)).cte("page")
    by_number = {row["number"]: row for row in db.execute(_NAMED_PAGE.add_cte(page)).mappings()}
    return [by_number[number] for number in numbers]


def _cursor_after(row: RowMapping, query: TicketQuery) -> str:
    return show_place(Place(row[SORTABLE[query.sort_by]], row["id"]), query.sort_by, query.sort_order)
