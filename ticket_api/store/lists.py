"""Reads one page of a ticket list, in two steps: which tickets, from an index alone, then their rows with names.

Planners know little about small tables and nothing about new ones (PostgreSQL's autovacuum analyses none below 50
rows), so no statement leaves them a choice that matters. If one filter, or the words of a search, leave few tickets,
these are read and sorted here. Otherwise the tickets are read in the order of the list until the page is full.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from operator import gt, lt
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Integer,
    Row,
    Select,
    TableClause,
    bindparam,
    func,
    select,
    tuple_,
)

from ticket_api.cursors import Place, show_place
from ticket_api.errors import BadInputError
from ticket_api.http.models.queries import TicketQuery
from ticket_api.http.models.responses import TicketRow
from ticket_api.store import numbers
from ticket_api.store.connection import TenantConnection, among, as_listed, fix_plans
from ticket_api.store.filters import Conditions, Wanted, wanted
from ticket_api.store.indexes import BY_NUMBER, RANGED, by, candidates, counting
from ticket_api.store.tables import tickets
from ticket_api.store.tickets import LISTED, with_names

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
MOST_REMEMBERED: Final = 1_000
Key = tuple[date | None, int]
"""A ticket's place in an order: its date, and its number, which breaks ties."""
_PAGE: Final = TableClause("page", *(ColumnClause(name, tickets.c[name].type) for name in IN_LISTS))
_NUMBER: Final = TenantConnection.select(tickets, tickets.c.number).where(tickets.c.id == bindparam("ticket_id"))
_FEW: Final = "few_numbers"
"""The parameter with the numbers of few tickets."""


@dataclass(frozen=True, slots=True)
class TicketPage:
    """One page of a list."""

    rows: Sequence[Row[*tuple[Any, ...]]]
    """The fields of `TicketRow`, as they are stored, and `number`."""
    next_cursor: str | None
    total: int
    """How many tickets match; 0 unless `envelope` asks for it."""
    total_is_exact: bool
    """If not, there are more than `total`."""


def read_page(db: TenantConnection, query: TicketQuery) -> TicketPage:
    """Return one page of the tickets that match `query`, in its order.

    The total is exact, except with words that more than `MOST_CANDIDATES` tickets may have.

    Raises:
        BadInputError: there is no ticket of that id at the cursor.
    """
    sought = wanted(db, query)
    fix_plans(db.connection)
    after = None if query.place is None else (query.place.value, _number_at(db, query.place))
    few = candidates(db, sought)
    if few is not None:
        keys = _sorted_keys(db, query, sought, few)
        total, is_exact = len(keys), True
        following = keys if after is None else [key for key in keys if _comes_after(key, after, query)]
        found = [number for _, number in following[query.offset : query.offset + query.limit + 1]]
    else:
        found = _walk(db, query, sought, after)
        total, is_exact = _total_of_walk(db, query, sought, len(found))
    rows = _named(db, found[: query.limit])
    more = len(found) > query.limit
    return TicketPage(rows, _cursor_after(rows[-1], query) if more else None, total, is_exact)


def _number_at(db: TenantConnection, place: Place) -> int:
    number: int | None = db.scalar(_NUMBER, {"ticket_id": place.ticket_id})
    if number is None:
        raise BadInputError(f"cursor names {place.ticket_id}, which does not exist", field="cursor")
    return number


def _sorted_keys(db: TenantConnection, query: TicketQuery, sought: Wanted, few: Sequence[int]) -> list[Key]:
    """Return the keys of those of the tickets that are sought, in the order of the list."""
    found = sought.statement(_keys_of, db.dialect, query.sort_by)
    keys: list[Any] = [tuple(row) for row in db.execute(found, {**sought.values, _FEW: as_listed(db.dialect, few)})]
    descends = query.sort_order == "desc"
    dated = sorted((key for key in keys if key[0] is not None), reverse=descends)
    return dated + sorted((key for key in keys if key[0] is None), key=lambda key: key[1], reverse=descends)


def _keys_of(conditions: Conditions, dialect: str, sort_by: str) -> Select[Any]:
    keys = TenantConnection.select(tickets, tickets.c[SORTABLE[sort_by]], tickets.c.number)
    return by(BY_NUMBER, keys.where(among(dialect, tickets.c.number, _FEW), *conditions))


def _comes_after(key: Key, place: Key, query: TicketQuery) -> bool:
    beyond: Any = lt if query.sort_order == "desc" else gt
    if key[0] is None or place[0] is None:
        return key[0] is None and (place[0] is not None or bool(beyond(key[1], place[1])))
    return bool(beyond(key, place))


def _walk(db: TenantConnection, query: TicketQuery, sought: Wanted, after: Key | None) -> list[int]:
    """Return the numbers of the tickets of the page, and of the one that follows.

    Tickets with a date, and after them those without, are two parts of the index of this order.
    """
    nullable = bool(tickets.c[SORTABLE[query.sort_by]].nullable)
    found: list[int] = []
    if after is None or after[0] is not None:
        found += _part(db, query, sought, after, query.offset, dated=True)
    if not nullable or len(found) > query.limit or SORTABLE[query.sort_by] in sought.by_column:
        return found
    rest = None if after is None or after[0] is not None else after
    skipped = query.offset - _count(db, sought, query.sort_by) if query.offset and not found else 0
    return (found + _part(db, query, sought, rest, skipped, dated=False))[: query.limit + 1]


def _part(
    db: TenantConnection, query: TicketQuery, sought: Wanted, after: Key | None, offset: int, *, dated: bool
) -> list[int]:
    page = sought.statement(_in_order, query.sort_by, query.sort_order, dated, after is not None)
    day, number = after or (None, None)
    place = {"after_day": day, "after_number": number, "most": query.limit + 1, "skipped": offset}
    return list(db.scalars(page, {**sought.values, **place}))


def _in_order(conditions: Conditions, sort_by: str, sort_order: str, dated: bool, is_after: bool) -> Select[Any]:
    """Return the statement that reads the numbers of the tickets with a date, or of those without, in order."""
    day, number = tickets.c[SORTABLE[sort_by]], tickets.c.number
    beyond: Any = lt if sort_order == "desc" else gt
    more: list[ColumnElement[bool]] = []
    if day.nullable:
        more.append(day.is_not(None) if dated else day.is_(None))
    if is_after:
        after_number = bindparam("after_number", type_=Integer)
        after_day = bindparam("after_day", type_=day.type)
        place = (tuple_(day, number), tuple_(after_day, after_number)) if dated else (number, after_number)
        more.append(beyond(*place))
    page = TenantConnection.select(tickets, number).where(*conditions, *more)
    page = page.limit(bindparam("most", type_=Integer)).offset(bindparam("skipped", type_=Integer))
    return by(RANGED[SORTABLE[sort_by]], page, descends=sort_order == "desc")


def _total_of_walk(db: TenantConnection, query: TicketQuery, sought: Wanted, found: int) -> tuple[int, bool]:
    """Return the total and whether it is exact; a walk to the end, or over the words of a search, is not repeated."""
    if query.place is None and found <= query.limit and (found or not query.offset):
        return query.offset + found, True
    if sought.text.conditions and found:
        return query.offset + min(found, query.limit), False
    if not query.envelope:
        return 0, True
    return _remembered_count(db, sought), True


def _remembered_count(db: TenantConnection, sought: Wanted) -> int:
    """Return how many tickets match; they are counted once, until a ticket is written or the filters differ.

    A count takes time in proportion to its result: with 15,000 tickets, more than all else that a list needs.
    """
    if sought.text.conditions:
        return _count(db, sought)
    of = (db.tenant, numbers.last(db), frozenset(sought.values.items()))
    total = db.remembered.get(of)
    if total is None:
        total = _count(db, sought)
        if len(db.remembered) >= MOST_REMEMBERED:
            db.remembered.clear()
        db.remembered[of] = total
    return total


def _count(db: TenantConnection, sought: Wanted, dated_by: str | None = None) -> int:
    """Return how many tickets match; with `dated_by`, only those with this date."""
    return int(db.scalar(sought.statement(_counted, db.dialect, counting(sought), dated_by), sought.values))


def _counted(conditions: Conditions, dialect: str, index: str, dated_by: str | None) -> Select[Any]:
    dated = () if dated_by is None else (tickets.c[SORTABLE[dated_by]].is_not(None),)
    counted = by(index, TenantConnection.select(tickets, tickets.c.number).where(*conditions, *dated))
    if dialect == "sqlite":  # it has the index by its name, and an order would double the time
        counted = counted.order_by(None)
    return select(func.count()).select_from(counted.subquery())


def _named(db: TenantConnection, found: Sequence[int]) -> list[Row[*tuple[Any, ...]]]:
    """Return the tickets of these numbers, in the same order, with names."""
    values = {_FEW: as_listed(db.dialect, found), "most": len(found)}
    position = {number: at for at, number in enumerate(found)}
    return sorted(db.execute(_named_page(db.dialect), values), key=lambda row: position[row.number])


@cache
def _named_page(dialect: str) -> Select[Any]:
    """Return the statement that reads tickets by their numbers.

    Names are joined to the complete page, by outer joins, with which no planner begins.
    """
    page = TenantConnection.select(tickets, *(tickets.c[name] for name in IN_LISTS))
    page = by(BY_NUMBER, page.where(among(dialect, tickets.c.number, _FEW))).limit(bindparam("most", type_=Integer))
    named = with_names(_PAGE, LISTED)
    found = {
        **named.selected_columns,
        "ticket_id": _PAGE.c.id,
        "remaining_days": _PAGE.c.scheduled_completion_date,  # from which they are counted
    }
    columns = (found[name].label(name) for name in TicketRow.model_fields)
    return named.with_only_columns(*columns, _PAGE.c.number).add_cte(page.cte("page"))


def _cursor_after(row: Row[*tuple[Any, ...]], query: TicketQuery) -> str:
    place = Place(getattr(row, SORTABLE[query.sort_by]), row.ticket_id)
    return show_place(place, query.sort_by, query.sort_order)
