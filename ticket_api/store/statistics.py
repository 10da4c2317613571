"""The statement that counts tickets by group.

Each measure is counted over the tickets that it concerns, in a part of its own: open tickets are few among all, and so
are those of a period. The parts are added up by group in the database, and all but the largest groups are one group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Label,
    RowMapping,
    Select,
    case,
    cast,
    func,
    literal_column,
    null,
    select,
    union_all,
)

from ticket_api.http.models.queries import StatisticsQuery
from ticket_api.store.connection import TenantConnection, among
from ticket_api.store.filters import Conditions, Wanted, wanted
from ticket_api.store.indexes import BY_NUMBER, OWN, RANGED, candidates
from ticket_api.store.master import REFERENCES
from ticket_api.store.tables import statuses, tickets

GROUPED: Final = MappingProxyType({
    "status": "status_id",
    "category": "category_id",
    "personInCharge": "person_in_charge_id",
    "account": "account_id",
    "requestChannel": "request_channel_id",
})  # fmt: skip
"""The column of a ticket behind each group, except the week of its reception."""
NUMBERS: Final = ("count", "open", "overdue", "received", "completed", "seconds")
"""What is counted; `seconds` is the sum of the receptions of open tickets, in seconds since 1970."""

BY_RECEPTION: Final = RANGED["reception_date_time"]
"""The index with all columns of every measure."""
_RECEIVED: Final = func.greatest(tickets.c.reception_date_time, literal_column("timestamp '0001-01-01'"))
"""PostgreSQL's driver stores the first minute of the calendar as minus infinity, with which it does not calculate."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group of tickets: its ids, in the order of `groupBy`, or None for all groups that are not shown."""

    ids: tuple[str, ...] | None
    numbers: dict[str, int]
    oldest: datetime | None
    """The first reception of an open ticket."""


def by_group(db: TenantConnection, query: StatisticsQuery, today: date) -> list[Group]:
    """Return the largest `query.limit` groups of the tickets that match, largest first, and then the rest if any."""
    keys = [_key(db, name).label(f"key_{place}") for place, name in enumerate(query.groups)]
    parts = union_all(*_parts(db, query, keys, today)).subquery("parts")
    ids = [parts.c[key.name] for key in keys]
    numbers = [func.sum(parts.c[name]).label(name) for name in NUMBERS]
    added = select(*ids, *numbers, func.min(parts.c.oldest).label("oldest")).group_by(*ids).subquery("added")
    keys_of = [added.c[key.name] for key in keys]
    place = func.row_number().over(order_by=(added.c["count"].desc(), *keys_of))
    ranked = select(added, place.label("place")).subquery("ranked")
    shown = ranked.c.place <= query.limit
    rank = case((shown, ranked.c.place), else_=query.limit + 1).label("rank")
    columns = [func.min(case((shown, ranked.c[key.name]))).label(key.name) for key in keys]
    columns += [func.sum(ranked.c[name]).label(name) for name in NUMBERS]
    groups = select(rank, *columns, func.min(ranked.c.oldest).label("oldest")).group_by(rank).order_by(rank)
    return [_group(row, len(keys), query.limit) for row in db.execute(groups).mappings()]


def names(db: TenantConnection, name: str, ids: Sequence[str]) -> dict[str, str]:
    """Return the name of each of these ids, of groups by `name`."""
    table = REFERENCES[GROUPED[name]]
    named = db.select(table, table.c.id, table.c.name).where(table.c.id.in_(ids))
    return {str(id_): str(shown) for id_, shown in db.execute(named)}


def _group(row: RowMapping, keys: int, limit: int) -> Group:
    ids = tuple(row[f"key_{place}"] for place in range(keys)) if row["rank"] <= limit else None
    return Group(ids, {name: int(row[name] or 0) for name in NUMBERS}, row["oldest"])


def _parts(db: TenantConnection, query: StatisticsQuery, keys: Sequence[Label[Any]], today: date) -> list[Select[Any]]:
    """Return the statements whose numbers, added up by group, are the measures."""
    t = tickets.c
    sought = wanted(db, query)
    few = candidates(db, sought)
    matching = sought.all() if few is None else [among(db, t.number, few), *sought.all()]

    def part(index: str, *more: ColumnElement[bool], **measures: ColumnElement[Any]) -> Select[Any]:
        found = _part(db, keys, [*matching, *more], measures)
        return found.with_hint(tickets, f"INDEXED BY {index if few is None else BY_NUMBER}", "sqlite")

    known = db.execute(db.select(statuses, statuses.c.id, statuses.c.completed)).all()
    open_ = t.status_id.in_([id_ for id_, completed in known if not completed])
    done = t.status_id.in_([id_ for id_, completed in known if completed])
    overdue = func.sum(case((t.scheduled_completion_date < today, 1), else_=0))
    of_open = {"open": func.count(), "overdue": overdue, "seconds": func.sum(_seconds(db))}
    parts = [
        part(_index_of_count(query, sought), count=func.count()),
        part(BY_RECEPTION, open_, **of_open, oldest=func.min(t.reception_date_time)),
    ]
    if query.has_period:
        first = None if query.from_day is None else datetime.combine(query.from_day, time(0, 0))
        last = None if query.to_day is None else datetime.combine(query.to_day, time(23, 59))
        received = _between(t.reception_date_time, first, last)
        completed = _between(t.completion_date, query.from_day, query.to_day)
        parts.append(part(BY_RECEPTION, *received, received=func.count()))
        parts.append(part(RANGED["completion_date"], done, *completed, completed=func.count()))
    return parts


def _index_of_count(query: StatisticsQuery, sought: Wanted) -> str:
    """Return the index that has the tickets in the order of their groups, or else one with all columns."""
    column = GROUPED.get(query.groups[0]) if len(query.groups) == 1 else None
    in_order = {**OWN, "status_id": "tickets_by_status"}
    has_columns = sought.by_column.keys() <= {column, "status_id", "reception_date_time"}
    return in_order[column] if column in in_order and has_columns else BY_RECEPTION


def _part(
    db: TenantConnection, keys: Sequence[Label[Any]], matching: Conditions, measures: dict[str, ColumnElement[Any]]
) -> Select[Any]:
    nothing: dict[str, ColumnElement[Any]] = {name: literal_column("0") for name in NUMBERS}
    columns = {**nothing, "oldest": cast(null(), DateTime), **measures}
    shown = [column.label(name) for name, column in columns.items()]
    return db.select(tickets, *keys, *shown).where(*matching).group_by(*(key.element for key in keys))


def _between(column: ColumnElement[Any], first: Any, last: Any) -> list[ColumnElement[bool]]:
    return [*([column >= first] if first is not None else []), *([column <= last] if last is not None else [])]


def _key(db: TenantConnection, name: str) -> ColumnElement[Any]:
    """Return the id of a ticket's group: of a week, its Monday."""
    if name in GROUPED:
        return tickets.c[GROUPED[name]]
    if db.connection.dialect.name == "postgresql":
        week = func.date_trunc(literal_column("'week'"), _RECEIVED)
        return func.to_char(week, literal_column("'YYYY-MM-DD'"))
    received = tickets.c.reception_date_time
    return func.date(received, literal_column("'weekday 0'"), literal_column("'-6 days'"))


def _seconds(db: TenantConnection) -> ColumnElement[int]:
    """Return when a ticket was received, in seconds since 1970."""
    if db.connection.dialect.name == "postgresql":
        return cast(func.extract("epoch", _RECEIVED), BigInteger)
    return cast(func.strftime(literal_column("'%s'"), tickets.c.reception_date_time), BigInteger)
