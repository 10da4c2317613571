"""The conditions of a ticket list, by the column that each is about."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import eq, ge, le
from typing import Any

from sqlalchemy import ColumnElement

from ticket_api.http.models.queries import TicketFilters
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search import TextMatch, find
from ticket_api.store.tables import statuses, tickets
from ticket_api.times import end_of_millisecond

Conditions = Sequence[ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tickets of a tenant a list has: those for which all conditions hold."""

    by_column: Mapping[str, Conditions]
    """The conditions of the filters, by the name of their column."""
    text: TextMatch
    """Those of a search."""

    def of(self, *columns: str) -> list[ColumnElement[bool]]:
        """Return the conditions on these columns."""
        return list(chain.from_iterable(self.by_column.get(name, ()) for name in columns))

    def all(self) -> list[ColumnElement[bool]]:
        """Return all conditions, without the candidates of a search."""
        return [*self.of(*self.by_column), *self.text.conditions]


def wanted(db: TenantConnection, query: TicketFilters) -> Wanted:
    """Return what `query` filters by."""
    return Wanted(_by_column(db, query), find(db, query.search_words or "", phrase=query.search_query or ""))


def _by_column(db: TenantConnection, query: TicketFilters) -> Mapping[str, Conditions]:
    found: defaultdict[str, list[ColumnElement[bool]]] = defaultdict(list)
    for name, compare, value in _comparisons(query):
        if value is not None:
            found[name].append(compare(tickets.c[name], value))
    if (ids := _statuses(db, query)) is not None:
        found["status_id"].append(tickets.c.status_id.in_(ids))
    return found


def _comparisons(query: TicketFilters) -> Iterator[tuple[str, Callable[[Any, Any], ColumnElement[bool]], Any]]:
    yield "person_in_charge_id", eq, query.person_in_charge_id
    yield "account_id", eq, query.account_id
    yield "category_id", eq, query.category_id
    yield "requestor_id", eq, query.requestor_id
    yield "reception_date_time", ge, query.reception_date_time_from
    yield "reception_date_time", le, query.reception_date_time_to
    yield "scheduled_completion_date", ge, query.scheduled_completion_date_from
    yield "scheduled_completion_date", le, query.scheduled_completion_date_to
    yield "completion_date", ge, query.completion_date_from
    yield "completion_date", le, query.completion_date_to
    yield "updated_at", ge, query.updated_at_from
    yield "updated_at", le, query.updated_at_to and end_of_millisecond(query.updated_at_to)


def _statuses(db: TenantConnection, query: TicketFilters) -> Sequence[str] | None:
    """Return the ids of the statuses that are wanted, or None for all."""
    if query.show_completed:
        return query.status_id or None
    is_open = db.select(statuses, statuses.c.id).where(statuses.c.completed.is_(False))
    return [id_ for id_ in db.scalars(is_open) if not query.status_id or id_ in query.status_id]
