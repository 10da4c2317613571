"""The statement that counts tickets by group.

First the largest groups are found by their numbers of tickets alone: one walk through an index, however many groups
there are. Then each measure is counted over the tickets that it concerns, in a part of its own, by the place of their
group among the largest: open tickets are few among all, and so are those of a period. The tickets of all other groups
have no place and are counted together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Label,
    RowMapping,
    Select,
    and_,
    case,
    cast,
    func,
    literal_column,
    null,
    select,
    true,
    union_all,
)

from ticket_api.http.models.queries import StatisticsQuery
from ticket_api.store.connection import TenantConnection, among, fix_plans
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
_DAYS: Final = MappingProxyType({
    "postgresql": cast(_RECEIVED, Date).op("-", return_type=Integer)(literal_column("date '0001-01-01'")),
    "sqlite": cast(func.julianday(tickets.c.reception_date_time) + literal_column("0.5"), Integer)
    - literal_column("1721426"),
})  # fmt: skip
"""The day of a ticket's reception, counted from that of 0001-01-01, a Monday."""
_IN_ORDER: Final = MappingProxyType({**OWN, "status_id": "tickets_by_status"})
"""The index that begins with a column."""


class Group(NamedTuple):
    """A group of tickets."""

    ids: tuple[str, ...]
    """In the order of `groupBy`; of a week, its Monday."""
    numbers: dict[str, int]
    oldest: datetime | None
    """The first reception of an open ticket."""


class Groups(NamedTuple):
    """All tickets that match."""

    largest: Sequence[Group]
    """Largest first."""
    rest: Group
    """The tickets of all other groups together, without ids. Without groups, all tickets."""


@dataclass(frozen=True, slots=True)
class _Matching:
    """The tickets that match, to be counted by `keys`."""

    db: TenantConnection
    conditions: Conditions
    few: bool
    """Whether the conditions name few tickets by their numbers."""
    keys: Sequence[Label[Any]]

    def select(self, index: str, *columns: Any) -> Select[Any]:
        """Select columns of these tickets: on SQLite from this index, unless they are few."""
        found = self.db.select(tickets, *columns).where(*self.conditions)
        return found.with_hint(tickets, f"INDEXED BY {BY_NUMBER if self.few else index}", "sqlite")

    def largest(self, index: str, limit: int) -> CTE:
        """Return the largest groups, each with its keys, `count` and `place`. Ties are broken by the keys."""
        count = func.count().label("count")
        counted = self.select(index, *self.keys, count).group_by(*(key.element for key in self.keys))
        found = counted.order_by(count.desc(), *self.keys).limit(limit).subquery()
        place = func.row_number().over(order_by=(found.c["count"].desc(), *(found.c[key.name] for key in self.keys)))
        return select(found, place.label("place")).cte("largest")

    def part(self, index: str, largest: CTE, *more: ColumnElement[bool], **measures: ColumnElement[Any]) -> Select[Any]:
        """Return the measures of these tickets by the place of their group; all others have no place."""
        same = and_(true(), *(largest.c[key.name] == key.element for key in self.keys))
        counted = self.select(index, *_columns(largest.c.place, measures)).outerjoin(largest, same)
        return counted.where(*more).group_by(largest.c.place)


def by_group(db: TenantConnection, query: StatisticsQuery, today: date) -> Groups:
    """Count the tickets that match: those of each of the largest `query.limit` groups, and the rest together."""
    sought = wanted(db, query)
    fix_plans(db.connection)
    few = candidates(db, sought)
    conditions = sought.all() if few is None else [among(db.dialect, tickets.c.number, few), *sought.all()]
    keys = [_key(db, name).label(f"key_{place}") for place, name in enumerate(query.groups)]
    matching = _Matching(db, conditions, few is not None, keys)
    largest = matching.largest(_index_of(query.groups, sought), query.limit)
    parts = union_all(
        select(*_columns(largest.c.place, {"count": largest.c["count"]})),
        matching.select(_index_of([], sought), *_columns(cast(null(), Integer), {"count": func.count()})),
        *_parts(matching, largest, query, today),
    ).subquery()
    numbers = [func.sum(parts.c[name]).label(name) for name in NUMBERS]
    added = select(parts.c.place, *numbers, func.min(parts.c.oldest).label("oldest")).group_by(parts.c.place).subquery()
    named = select(added, *(largest.c[key.name] for key in keys)).outerjoin(largest, largest.c.place == added.c.place)
    *groups, everything = db.execute(named.order_by(added.c.place.is_(None), added.c.place), sought.values).mappings()
    return _groups(groups, everything, query.groups)


def names(db: TenantConnection, name: str, ids: Sequence[str]) -> dict[str, str]:
    """Return the name of each of these ids, of groups by `name`."""
    table = REFERENCES[GROUPED[name]]
    named = db.select(table, table.c.id, table.c.name).where(table.c.id.in_(ids))
    return {str(id_): str(shown) for id_, shown in db.execute(named)}


def _groups(rows: Sequence[RowMapping], rest: RowMapping, by: Sequence[str]) -> Groups:
    """Return the groups of these rows; the count of `rest` is still that of all tickets."""
    largest = [
        Group(tuple(_id(name, row[f"key_{place}"]) for place, name in enumerate(by)), _numbers(row), row["oldest"])
        for row in rows
    ]
    numbers = _numbers(rest)
    numbers["count"] -= sum(group.numbers["count"] for group in largest)
    return Groups(largest, Group((), numbers, rest["oldest"]))


def _numbers(row: RowMapping) -> dict[str, int]:
    return {name: int(row[name] or 0) for name in NUMBERS}


def _id(name: str, key: Any) -> str:
    """Return the id of a group: of a week, its Monday."""
    return (date.min + timedelta(weeks=key)).isoformat() if name == "week" else str(key)


def _parts(matching: _Matching, largest: CTE, query: StatisticsQuery, today: date) -> Iterator[Select[Any]]:
    """Yield the statements that count open tickets, and those of a period."""
    t, db = tickets.c, matching.db
    known = db.execute(db.select(statuses, statuses.c.id, statuses.c.completed)).all()
    open_ = t.status_id.in_([id_ for id_, completed in known if not completed])
    done = t.status_id.in_([id_ for id_, completed in known if completed])
    overdue = func.sum(case((t.scheduled_completion_date < today, 1), else_=0))
    of_open = {"open": func.count(), "overdue": overdue, "seconds": func.sum(_seconds(db))}
    yield matching.part(BY_RECEPTION, largest, open_, **of_open, oldest=func.min(t.reception_date_time))
    if query.has_period:
        first = None if query.from_day is None else datetime.combine(query.from_day, time(0, 0))
        last = None if query.to_day is None else datetime.combine(query.to_day, time(23, 59))
        received = _between(t.reception_date_time, first, last)
        completed = _between(t.completion_date, query.from_day, query.to_day)
        yield matching.part(BY_RECEPTION, largest, *received, received=func.count())
        yield matching.part(RANGED["completion_date"], largest, done, *completed, completed=func.count())


def _index_of(groups: Sequence[str], sought: Wanted) -> str:
    """Return the index with the tickets in the order of a group, the one with most groups, or else that of receptions.

    It must have the columns of all groups and filters. Half sorted, they are sorted faster.
    """
    grouped = {GROUPED.get(name, "reception_date_time") for name in groups}
    for column, index in _IN_ORDER.items():
        if column in grouped and {*grouped, *sought.by_column} <= {column, "status_id", "reception_date_time"}:
            return index
    return BY_RECEPTION


def _columns(place: ColumnElement[Any], measures: dict[str, ColumnElement[Any]]) -> list[Label[Any]]:
    """Return the columns of a part; measures that are not given are 0, and the oldest moment is null."""
    nothing: dict[str, ColumnElement[Any]] = {name: literal_column("0") for name in NUMBERS}
    columns = {"place": place, **nothing, "oldest": cast(null(), DateTime), **measures}
    return [column.label(name) for name, column in columns.items()]


def _between(column: ColumnElement[Any], first: Any, last: Any) -> list[ColumnElement[bool]]:
    return [*([column >= first] if first is not None else []), *([column <= last] if last is not None else [])]


def _key(db: TenantConnection, name: str) -> ColumnElement[Any]:
    """Return what tickets are grouped by: an id, or the number of a week."""
    if name in GROUPED:
        return tickets.c[GROUPED[name]]
    return _DAYS[db.dialect] // literal_column("7", Integer)


def _seconds(db: TenantConnection) -> ColumnElement[int]:
    """Return when a ticket was received, in seconds since 1970."""
    if db.dialect == "postgresql":
        return cast(func.extract("epoch", _RECEIVED), BigInteger)
    return cast(func.strftime(literal_column("'%s'"), tickets.c.reception_date_time), BigInteger)
