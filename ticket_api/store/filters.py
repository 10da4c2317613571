"""The conditions of a ticket list."""

from collections.abc import Callable, Sequence
from operator import eq, ge, le
from typing import Any

from sqlalchemy import ColumnElement

from ticket_api.http.models.queries import TicketFilters
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search import find
from ticket_api.store.tables import statuses, tickets
from ticket_api.times import end_of_millisecond


def conditions(db: TenantConnection, query: TicketFilters) -> list[ColumnElement[bool]]:
    """Return the conditions on `tickets` that `query` sets, beside the tenant."""
    found = plain_conditions(db, query)
    match = find(db, query.search_words or "", phrase=query.search_query or "")
    if match.numbers is not None:
        found.append(tickets.c.number.in_(match.numbers))
    return found + match.conditions


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
        (query.updated_at_to and end_of_millisecond(query.updated_at_to), le, t.updated_at),
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
