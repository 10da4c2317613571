"""The conditions of a ticket list."""

from collections.abc import Callable, Sequence
from datetime import datetime
from operator import eq, ge, le
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, func, or_

from ticket_api.http.models.queries import TicketFilters
from ticket_api.store.connection import TenantConnection
from ticket_api.store.tables import accounts, statuses, tickets, users
from ticket_api.store.text_search import fold, words_of

_SEARCHED: Final = (
    tickets.c.summary_folded
    + "\n"
    + func.lower(tickets.c.id + "\n" + func.coalesce(tickets.c.external_ticket_id, "") + "\n" + tickets.c.description)
)
"""The text of a ticket in which words are searched, as one: SQLite takes a step for each part of each condition."""
_SEARCHED_NAMES: Final = (
    (accounts, (tickets.c.account_id,)),
    (users, (tickets.c.requestor_id, tickets.c.person_in_charge_id)),
)


def conditions(db: TenantConnection, query: TicketFilters) -> list[ColumnElement[bool]]:
    """Return the conditions on `tickets` that `query` sets, beside the tenant."""
    found = plain_conditions(db, query)
    if query.search_query:
        found.append(_mentions(db, fold(query.search_query)))
    return found + [_holds(db, forms) for forms in words_of(query.search_words or "")]


def plain_conditions(db: TenantConnection, query: TicketFilters) -> list[ColumnElement[bool]]:
    """Return the conditions of the filters, without those of a search."""
    t = tickets.c
    wanted: tuple[tuple[Any, Callable[[Any, Any], ColumnElement[bool]], ColumnElement[Any]], ...] = (
        (query.person_in_charge_id, eq, t.person_in_charge_id),
        (query.account_id, eq, t.account_id),
        (query.category_id, eq, t.category_id),
        (query.requestor_id, eq, t.requestor_id),
        (query.reception_date_time_from, ge, t.reception_date_time),
        (query.reception_date_time_to, le, t.reception_date_time),
        (query.scheduled_completion_date_from, ge, t.scheduled_completion_date),
        (query.scheduled_completion_date_to, le, t.scheduled_completion_date),
        (query.completion_date_from, ge, t.completion_date),
        (query.completion_date_to, le, t.completion_date),
        (query.updated_at_from, ge, t.updated_at),
        (query.updated_at_to and _end_of_millisecond(query.updated_at_to), le, t.updated_at),
    )
    found = [compare(column, value) for value, compare, column in wanted if value is not None]
    if (statuses_wanted := _statuses(db, query)) is not None:
        found.append(t.status_id.in_(statuses_wanted))
    return found


def _statuses(db: TenantConnection, query: TicketFilters) -> Sequence[str] | None:
    """Return the ids of the statuses that are wanted, or None for all."""
    if query.show_completed:
        return query.status_id or None
    is_open = db.select(statuses, statuses.c.id).where(statuses.c.completed.is_(False))
    return [id_ for id_ in db.scalars(is_open) if not query.status_id or id_ in query.status_id]


def _end_of_millisecond(moment: datetime) -> datetime:
    """Return the last moment that is shown as `moment` is: moments are stored to the microsecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000 + 999)


def _mentions(db: TenantConnection, folded: str) -> ColumnElement[bool]:
    """Return the condition that a ticket's summary, account or requestor contains `folded`.

    Names are searched once per query, not per ticket. Not by LIKE: with many near matches it takes time proportional to
    the product of both lengths.
    """
    return or_(
        _contains(db, tickets.c.summary_folded, folded),
        tickets.c.account_id.in_(_named(db, accounts, folded)),
        tickets.c.requestor_id.in_(_named(db, users, folded)),
    )


def _holds(db: TenantConnection, forms: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a ticket has one of the `forms` of a word in what `searchWords` searches.

    Most words are in no name at all; comparing every ticket's ids with nothing would cost more than its text does.
    """
    conditions = [_contains(db, _SEARCHED, form) for form in forms]
    for table, columns in _SEARCHED_NAMES:
        named = _named(db, table, *forms)
        if db.scalar(named.limit(1)) is not None:
            conditions += [column.in_(named) for column in columns]
    return or_(*conditions)


def _named(db: TenantConnection, table: Table, *forms: str) -> Select[Any]:
    return db.select(table, table.c.id).where(or_(*(_contains(db, table.c.name_folded, form) for form in forms)))


def _contains(db: TenantConnection, text: ColumnElement[str], folded: str) -> ColumnElement[bool]:
    position = func.strpos if db.connection.dialect.name == "postgresql" else func.instr
    return position(text, folded) > 0
