"""Which index finds the tickets of a list.

Every list is read from an index that has all columns that it needs, so that the worst list costs one walk through the
tenant's part of an index, never a table. Neither database is left to guess which one.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Column, Integer, Select, bindparam

from ticket_api.store.connection import TenantConnection
from ticket_api.store.filters import MOST_BUILT, Wanted, conditions_of
from ticket_api.store.tables import tickets

OWN: Final = MappingProxyType({
    "requestor_id": "tickets_by_requestor",
    "account_id": "tickets_by_account",
    "person_in_charge_id": "tickets_by_person",
    "category_id": "tickets_by_category",
})  # fmt: skip
"""The index that begins with a column, the status next; those with the fewest tickets a value first."""
RANGED: Final = MappingProxyType({
    "updated_at": "tickets_by_update",
    "completion_date": "tickets_by_completion",
    "scheduled_completion_date": "tickets_by_schedule",
    "reception_date_time": "tickets_by_reception",
})  # fmt: skip
"""The index that begins with a time; all but the first have every column that a filter needs."""
MOST_FEW: Final = 500
"""With more tickets of one filter, walking in the order of the list is faster than reading and sorting them."""
BY_NUMBER: Final = "sqlite_autoindex_tickets_2"
"""SQLite's name of the unique key on the ticket's number."""
_COLUMNS: Final[Mapping[str, Sequence[Column[Any]]]] = MappingProxyType({
    BY_NUMBER: (tickets.c.number,),
    **{str(index.name): tuple(index.columns)[1:] for index in tickets.indexes},
})  # fmt: skip
"""The columns of each index after the tenant."""


def by(index: str, query: Select[Any], *, descends: bool = False) -> Select[Any]:
    """Return the query, with its rows in the order of the index, so that it is read from there.

    SQLite takes its name. PostgreSQL finds no other index with all columns in this order, and may not sort, see
    `fix_plans`.
    """
    columns = _COLUMNS[index]
    ordered = query.order_by(*(column.desc() for column in columns) if descends else columns)
    return ordered.with_hint(tickets, f"INDEXED BY {index}", "sqlite")


def candidates(db: TenantConnection, wanted: Wanted) -> Sequence[int] | None:
    """Return the numbers of few tickets, of which those that are sought are a part; or None if there are many.

    Each filter is tried alone, in its own index, which takes a fraction of a millisecond.
    """
    if wanted.text.numbers is not None:
        return wanted.text.numbers
    filters = frozenset(wanted.values)
    for column in (*OWN, "status_id", *RANGED):
        if column in wanted.by_column:
            numbers = _in_own_index(filters, column)
            if db.scalar(numbers, {**wanted.values, "most": 1, "skipped": MOST_FEW}) is None:
                return db.scalars(numbers, {**wanted.values, "most": MOST_FEW, "skipped": 0}).all()
    return None


@lru_cache(MOST_BUILT)
def _in_own_index(filters: frozenset[str], column: str) -> Select[Any]:
    """Return the statement that reads `most` numbers after those that are `skipped`, by one of the filters alone."""
    index = "tickets_by_status" if column == "status_id" else (OWN | RANGED)[column]
    conditions = conditions_of(filters)
    mine = [*conditions[column], *(conditions.get("status_id", ()) if column in OWN else ())]
    numbers = by(index, TenantConnection.select(tickets, tickets.c.number).where(*mine))
    return numbers.limit(bindparam("most", type_=Integer)).offset(bindparam("skipped", type_=Integer))


def counting(wanted: Wanted) -> str:
    """Return the index in which the tickets are counted."""
    columns = wanted.by_column.keys()
    for name, index in OWN.items():
        if name in columns and columns <= {name, "status_id", "reception_date_time"}:
            return index
    if "status_id" in columns <= {"status_id", "reception_date_time"}:
        return "tickets_by_status"
    if columns == {"updated_at"}:
        return "tickets_by_update"
    return next((RANGED[name] for name in RANGED if name in columns and name != "updated_at"), "tickets_by_reception")
