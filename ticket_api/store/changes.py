"""Statements that read what happened in all tickets of a tenant.

Entries are in the order of their ids, which is that of their transactions: a number is taken under a lock that the
transaction keeps until it ends, so no entry can appear later before one that was read. Timestamps give no such order.
A filter may leave almost nothing: each page examines at most `MOST_EXAMINED` entries, and the next one goes on there.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, RowMapping, Select, bindparam, func

from ticket_api.http.models.queries import ChangeQuery
from ticket_api.store.connection import TenantConnection, among, fix_plans
from ticket_api.store.history import Entry, conditions_on_time, in_time, read_entries, statements_of
from ticket_api.store.tables import accounts, ticket_history, tickets

MOST_EXAMINED: Final = 10_000
MOST_TICKETS: Final = 1_000
"""Of so many tickets, the entries are found by ticket; of more, they are frequent among all entries."""

Conditions = list[ColumnElement[bool]]
_BY_IDS: Final = statements_of(
    TenantConnection.select(ticket_history).where(ticket_history.c.id.in_(bindparam("ids", expanding=True)))
)


class Found(NamedTuple):
    """The ids of a page's entries, and the last id that was examined if there may be more after it."""

    ids: Sequence[int]
    next: int | None


def find(db: TenantConnection, query: ChangeQuery) -> Found:
    """Return which entries are on a page."""
    fix_plans(db.connection)
    of_tickets = _of_tickets(query)
    in_range = conditions_on_time(in_time(query))
    walked = _bounds(db, query)
    if query.user_id is not None:
        walked.append(ticket_history.c.user_id == query.user_id)
    if of_tickets:
        few = db.scalars(db.select(tickets, tickets.c.id).where(*of_tickets).limit(MOST_TICKETS + 1)).all()
        if not few:
            return Found([], None)
        if len(few) <= MOST_TICKETS:
            return _of_few_tickets(db, few, [*walked, *in_range], query)
    return _walk(db, walked, [*in_range, *of_tickets], query)


def read(db: TenantConnection, ids: Sequence[int]) -> list[tuple[RowMapping, Entry]]:
    """Return these entries in the order of their ids, each with `id`, `summary` and account of its ticket."""
    if not ids:  # SQLite reads every entry to find none of no ids
        return []
    entries = read_entries(db, _BY_IDS, {"ids": ids})
    about = (tickets.c.id, tickets.c.summary, tickets.c.account_id, accounts.c.name.label("account_name"))
    named = db.select(tickets, *about).outerjoin(accounts)
    found = db.execute(named.where(tickets.c.id.in_({entry.row["ticket_id"] for entry in entries}))).mappings()
    by_id = {ticket["id"]: ticket for ticket in found}
    in_order = sorted(entries, key=lambda entry: int(entry.row["id"]))
    return [(by_id[entry.row["ticket_id"]], entry) for entry in in_order]


def _of_tickets(query: ChangeQuery) -> Conditions:
    """Return the conditions on the ticket of an entry."""
    asked = {"id": query.ticket_id, "account_id": query.account_id, "person_in_charge_id": query.person_in_charge_id}
    return [tickets.c[name] == value for name, value in asked.items() if value is not None]


def _bounds(db: TenantConnection, query: ChangeQuery) -> Conditions:
    """Return the range of ids in which the page begins and all pages end."""
    id_ = ticket_history.c.id
    bounds = [] if query.cursor is None else [id_ > query.cursor]
    times = in_time(query)
    if times:
        ends = db.select(ticket_history, func.min(id_ + 0), func.max(id_ + 0))
        first, last = db.execute(ends.where(*conditions_on_time(times), *bounds), times).one()
        bounds += [id_ >= (first or 0), id_ <= (last or 0)]
    return bounds


def _of_few_tickets(db: TenantConnection, few: Sequence[str], wanted: Conditions, query: ChangeQuery) -> Found:
    of_few = among(db.dialect, ticket_history.c.ticket_id, few)
    entries = db.select(ticket_history, ticket_history.c.id).where(*wanted, of_few)
    entries = entries.with_hint(ticket_history, "INDEXED BY history_of_ticket", "sqlite")
    in_order = ticket_history.c.id + 0  # keeps planners from reading the entries of all tickets in the order of ids
    return _page(db, entries.order_by(in_order), query)


def _walk(db: TenantConnection, walked: Conditions, wanted: Conditions, query: ChangeQuery) -> Found:
    """Walk through the entries in the order of an index, as far as a page may, and return those that are wanted."""
    entries = db.select(ticket_history, ticket_history.c.id).where(*walked).order_by(ticket_history.c.id)
    if not wanted:
        return _page(db, entries, query)
    end = db.scalar(entries.offset(MOST_EXAMINED - 1).limit(1))
    if end is not None:
        entries = entries.where(ticket_history.c.id <= end)
    ids, more = _page(db, entries.join(tickets).where(*wanted), query)
    return Found(ids, more or end)


def _page(db: TenantConnection, entries: Select[Any], query: ChangeQuery) -> Found:
    ids = db.scalars(entries.limit(query.limit + 1), in_time(query)).all()
    return Found(ids[: query.limit], ids[query.limit - 1] if len(ids) > query.limit else None)
