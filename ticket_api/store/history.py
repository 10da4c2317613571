"""A ticket's history: its changes and comments."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Integer, RowMapping, Select, String, and_, bindparam, func, select, tuple_

from ticket_api.errors import BadInputError
from ticket_api.http.models.queries import HistoryQuery, InTime
from ticket_api.store import numbers
from ticket_api.store.connection import TenantConnection, Values
from ticket_api.store.tables import history_changed_fields as changed_fields
from ticket_api.store.tables import ticket_history, tickets, users
from ticket_api.times import end_of_millisecond

WHOLE: Final = HistoryQuery()
_PLACE: Final = (ticket_history.c.timestamp, ticket_history.c.id)
"""The order of a ticket's history; newest first."""
_OF_TICKET: Final = ticket_history.c.ticket_id == bindparam("ticket_id", type_=String(50))
_NEWEST: Final = TenantConnection.select(ticket_history, func.coalesce(func.max(ticket_history.c.id), 0)).where(
    _OF_TICKET
)
_PLACE_OF_ONE: Final = TenantConnection.select(ticket_history, *_PLACE).where(
    _OF_TICKET, ticket_history.c.id == bindparam("before", type_=Integer)
)
_ADD: Final = TenantConnection.insert(ticket_history)
_ADD_CHANGES: Final = TenantConnection.insert(changed_fields)
_TOUCH: Final = TenantConnection.update(tickets).where(tickets.c.id == bindparam("of_ticket", type_=String(50)))


class HistoryChange(NamedTuple):
    """One changed field, as shown to users."""

    field_name: str
    old_value: str | None
    new_value: str | None


class Entry(NamedTuple):
    """A history entry with `user_name`, and the fields that it changed in their order."""

    row: RowMapping
    changed: Sequence[RowMapping]


class Statements(NamedTuple):
    """Two statements that both begin with a page of entries: hence the outer joins."""

    named: Select[Any]
    fields: Select[Any]


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
    db.execute(_ADD, entry)
    db.execute(_TOUCH, {"of_ticket": ticket_id, "updated_at": at})
    if changes:
        rows = [{"history_id": history_id, "position": n, **change._asdict()} for n, change in enumerate(changes)]
        db.execute(_ADD_CHANGES, rows)
    return history_id


def newest(db: TenantConnection, ticket_id: str) -> int:
    """Return the id of the newest entry of a ticket, which is the largest, or 0 if the ticket has no entry."""
    return int(db.scalar(_NEWEST, {"ticket_id": ticket_id}))


def of_ticket(db: TenantConnection, ticket_id: str, query: HistoryQuery = WHOLE) -> list[Entry]:
    """Return the entries of a ticket that match `query`, newest first, and one more if there are more.

    Raises:
        BadInputError: the ticket has no entry `query.before`.
    """
    values = _values(ticket_id, query)
    if query.before is not None:
        place = db.execute(_PLACE_OF_ONE, values).one_or_none()
        if place is None:
            raise BadInputError(f"before: the ticket has no entry {query.before}", field="before")
        values["at"], values["before"] = place
    if query.most is not None:
        values["most"] = query.most + 1
    entries = read_entries(db, _page_with(frozenset(values)), values)
    return sorted(entries, key=lambda entry: (entry.row["timestamp"], entry.row["id"]), reverse=True)


def count(db: TenantConnection, ticket_id: str, query: HistoryQuery) -> int:
    """Return how many entries of a ticket lie in the range of `query`."""
    values = _values(ticket_id, query)
    return int(db.scalar(_count_with(frozenset(values)), values))


def in_time(query: InTime) -> dict[str, datetime]:
    """Return the values of the conditions on the time of an entry, by the names of `conditions_on_time`."""
    until = None if query.until is None else end_of_millisecond(query.until)
    return {name: value for name, value in (("since", query.since), ("until", until)) if value is not None}


def conditions_on_time(given: Collection[str]) -> list[ColumnElement[bool]]:
    """Return the conditions on the time of an entry that are `given`: "since", "until" or both."""
    time = ticket_history.c.timestamp
    conditions = {"since": time >= bindparam("since"), "until": time <= bindparam("until")}
    return [condition for name, condition in conditions.items() if name in given]


def read_entries(db: TenantConnection, entries: Statements, values: Values) -> list[Entry]:
    """Return these entries, in no order."""
    of_entry: dict[int | None, list[RowMapping]] = defaultdict(list)  # None: entries without changed fields
    for field in db.execute(entries.fields, values).mappings():
        of_entry[field["history_id"]].append(field)
    return [Entry(row, of_entry[row["id"]]) for row in db.execute(entries.named, values).mappings()]


def statements_of(entries: Select[Any]) -> Statements:
    """Return what reads these entries: each with `user_name`, and the fields that they changed."""
    page = entries.cte("page")
    author = and_(users.c.tenant_id == page.c.tenant_id, users.c.id == page.c.user_id)
    named = select(page, users.c.name.label("user_name")).outerjoin(users, author)
    mine = and_(changed_fields.c.tenant_id == page.c.tenant_id, changed_fields.c.history_id == page.c.id)
    fields = select(page.c.id, changed_fields).outerjoin(changed_fields, mine).order_by(changed_fields.c.position)
    return Statements(named, fields)


def _values(ticket_id: str, query: HistoryQuery) -> dict[str, Any]:
    before = {} if query.before is None else {"before": query.before}
    return {"ticket_id": ticket_id, **in_time(query), **before}


@cache
def _page_with(given: frozenset[str]) -> Statements:
    """Return what reads the entries of a ticket, with the conditions whose values are given."""
    wanted = TenantConnection.select(ticket_history).where(_OF_TICKET, *conditions_on_time(given))
    if "before" in given:
        place = (bindparam("at", type_=_PLACE[0].type), bindparam("before", type_=Integer))
        wanted = wanted.where(tuple_(*_PLACE) < tuple_(*place))
    if "most" in given:
        newest_first = wanted.order_by(*(column.desc() for column in _PLACE))
        wanted = newest_first.limit(bindparam("most", type_=Integer))
    return statements_of(wanted)


@cache
def _count_with(given: frozenset[str]) -> Select[Any]:
    return TenantConnection.select(ticket_history, func.count()).where(_OF_TICKET, *conditions_on_time(given))
