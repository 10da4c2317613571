"""The conditions of a ticket list, by the column that each is about.

Their values are parameters, so that a statement is built once for all lists with the same filters.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import eq, ge, le
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam

from ticket_api.http.models.queries import TicketFilters
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search import TextMatch, find
from ticket_api.store.tables import statuses, tickets
from ticket_api.times import end_of_millisecond

Conditions = Sequence[ColumnElement[bool]]
Build = Callable[..., Select[Any]]
"""Builds a statement of conditions and more."""
MOST_BUILT: Final = 500
"""How many statements are kept, each of some kilobytes."""
STATUSES: Final = "status_ids"
"""The filter by status: the ids of those that are wanted."""
_COMPARED: Final = MappingProxyType({
    "person_in_charge_id": ("person_in_charge_id", eq),
    "account_id": ("account_id", eq),
    "category_id": ("category_id", eq),
    "requestor_id": ("requestor_id", eq),
    "reception_date_time_from": ("reception_date_time", ge),
    "reception_date_time_to": ("reception_date_time", le),
    "scheduled_completion_date_from": ("scheduled_completion_date", ge),
    "scheduled_completion_date_to": ("scheduled_completion_date", le),
    "completion_date_from": ("completion_date", ge),
    "completion_date_to": ("completion_date", le),
    "updated_at_from": ("updated_at", ge),
    "updated_at_to": ("updated_at", le),
})  # fmt: skip
"""By filter: the column, and how it is compared with the value of the filter."""
_OPEN: Final = TenantConnection.select(statuses, statuses.c.id).where(statuses.c.completed.is_(False))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tickets of a tenant a list has: those for which all conditions hold."""

    values: Mapping[str, Any]
    """The value of each filter, by its name, which is that of its parameter."""
    by_column: Mapping[str, Conditions]
    """The conditions of the filters, by the name of their column."""
    text: TextMatch
    """Those of a search, with their values."""

    def of(self, *columns: str) -> list[ColumnElement[bool]]:
        """Return the conditions on these columns."""
        return list(chain.from_iterable(self.by_column.get(name, ()) for name in columns))

    def all(self) -> list[ColumnElement[bool]]:
        """Return all conditions, without the candidates of a search."""
        return [*self.of(*self.by_column), *self.text.conditions]

    def statement(self, build: Build, *more: Hashable) -> Select[Any]:
        """Return what `build` returns for all conditions and `more`, to be run with `values`.

        It is built once for the same filters and `more`, unless words are searched: these are different each time.
        """
        if self.text.conditions:
            return build(self.all(), *more)
        return _built(frozenset(self.values), build, *more)


def wanted(db: TenantConnection, query: TicketFilters) -> Wanted:
    """Return what `query` filters by."""
    asked = {name: getattr(query, name) for name in _COMPARED}
    values = {name: value for name, value in asked.items() if value is not None}
    if query.updated_at_to is not None:
        values["updated_at_to"] = end_of_millisecond(query.updated_at_to)
    if (ids := _statuses(db, query)) is not None:
        values[STATUSES] = tuple(ids)
    text = find(db, query.search_words or "", phrase=query.search_query or "")
    return Wanted(values, conditions_of(frozenset(values)), text)


@lru_cache(MOST_BUILT)
def _built(filters: frozenset[str], build: Build, *more: Hashable) -> Select[Any]:
    return build([*chain.from_iterable(conditions_of(filters).values())], *more)


@lru_cache(MOST_BUILT)
def conditions_of(filters: frozenset[str]) -> Mapping[str, Conditions]:
    """Return the conditions of these filters, by the name of their column."""
    found: defaultdict[str, list[ColumnElement[bool]]] = defaultdict(list)
    for name, (column, compare) in _COMPARED.items():
        if name in filters:
            found[column].append(compare(tickets.c[column], bindparam(name, type_=tickets.c[column].type)))
    if STATUSES in filters:
        found["status_id"].append(tickets.c.status_id.in_(bindparam(STATUSES, expanding=True)))
    return MappingProxyType(dict(found))


def _statuses(db: TenantConnection, query: TicketFilters) -> Sequence[str] | None:
    """Return the ids of the statuses that are wanted, or None for all."""
    if query.show_completed:
        return query.status_id or None
    return [id_ for id_ in db.scalars(_OPEN) if not query.status_id or id_ in query.status_id]
