"""One tenant's view of the database: the only way in which this package reads and writes tenants' rows.

Every statement built with `TenantConnection` is restricted to the parameter `TENANT`, whose value only the connection
that runs it gives, so the tenant cannot be forgotten: a statement run in another way fails. It belongs to no tenant, so
it can be built once for all requests: building one takes several times as long as running it. Tables are joined by
their keys, which contain the tenant as well. On PostgreSQL the transaction also names its tenant to the policies of
revision 0002, which hide all other tenants' rows.
"""

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Self

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    CursorResult,
    Delete,
    Executable,
    FromClause,
    Insert,
    ScalarResult,
    Select,
    String,
    Table,
    Update,
    any_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

TENANT: Final = bindparam("of_tenant", type_=String(50))
"""The tenant of a statement, until `TenantConnection` runs it for its own."""
Values = Mapping[str, Any]
_FIX_PLANS: Final = (
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), "
    "set_config('enable_sort', 'off', true), set_config('enable_incremental_sort', 'off', true), "
    "set_config('max_parallel_workers_per_gather', '0', true), set_config('plan_cache_mode', 'force_custom_plan', true)"
)


def of_tenant(table: FromClause) -> ColumnElement[bool]:
    """Return the condition that keeps tenants apart. It is built only here."""
    return table.c.tenant_id == TENANT


def name_to_policies(connection: Connection, name: str, value: str) -> None:
    """Set `name`, which policies read, for the rest of this transaction; SQLite has no policies."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT set_config($1, $2, true)", (name, value))


def fix_plans(connection: Connection) -> None:
    """For the rest of this transaction, let PostgreSQL read tables by an index in the order of the result, or else not.

    It knows nothing about new tables and, under policies, little about others: it would sort a whole table for a page.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_FIX_PLANS)


def among(dialect: str, column: ColumnElement[Any], listed: Sequence[int | str] | str) -> ColumnElement[bool]:
    """Return the condition that `column` is one of `listed`, with one parameter however many there are.

    Args:
        dialect: the kind of database.
        column: the column.
        listed: the values; or the name of the parameter that has them, as `as_listed` returns them.
    """
    if dialect == "postgresql":
        kind = ARRAY(column.type)
        return column == any_(bindparam(listed, type_=kind) if isinstance(listed, str) else literal(listed, kind))
    items = bindparam(listed) if isinstance(listed, str) else literal(as_listed(dialect, listed))
    return column.in_(select(func.json_each(items).table_valued("value").c.value))


def as_listed(dialect: str, values: Sequence[int | str]) -> Any:
    """Return the value of the parameter of `among`."""
    return list(values) if dialect == "postgresql" else json.dumps(list(values))


def add_if_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Store a row unless its key exists; return whether it did. Waits for a transaction that is adding the same key."""
    return bool(connection.execute(_insert_if_new(connection.dialect.name, table), values).rowcount)


@cache
def _insert_if_new(dialect: str, table: Table) -> Insert:
    insert_into = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert_into(table).on_conflict_do_nothing()


@dataclass(frozen=True, slots=True)
class TenantConnection:
    """A transaction of one tenant; create it with `open`."""

    connection: Connection
    tenant: str
    remembered: dict[Hashable, int]
    """Totals that other transactions have counted, by what they are of and the last numbers of the tenant then."""

    @property
    def dialect(self) -> str:
        """The kind of database: "sqlite" or "postgresql"."""
        return self.connection.dialect.name

    @classmethod
    def open(cls, connection: Connection, tenant: str, remembered: dict[Hashable, int] | None = None) -> Self:
        """Bind a transaction that has just begun to `tenant`; it may use and add to what is `remembered`."""
        name_to_policies(connection, "app.tenant_id", tenant)
        return cls(connection, tenant, {} if remembered is None else remembered)

    @staticmethod
    def select(table: FromClause, *columns: Any) -> Select[Any]:
        """Select `columns`, or all, of the tenant's rows of `table`."""
        return TenantConnection.only(select(*(columns or (table,))).select_from(table), table)

    @staticmethod
    def only(query: Select[Any], table: FromClause) -> Select[Any]:
        """Restrict a prepared query to the tenant's rows of `table`."""
        return query.where(of_tenant(table))

    @staticmethod
    def insert(table: Table) -> Insert:
        """Insert rows of the tenant."""
        return insert(table).values(tenant_id=TENANT)

    @staticmethod
    def update(table: Table) -> Update:
        """Update the tenant's rows."""
        return update(table).where(of_tenant(table))

    @staticmethod
    def delete(table: Table) -> Delete:
        """Delete the tenant's rows."""
        return delete(table).where(of_tenant(table))

    def add_if_new(self, table: Table, **values: Any) -> bool:
        """Store a row of the tenant unless its key exists. Waits for a transaction that is adding the same key."""
        return add_if_new(self.connection, table, {"tenant_id": self.tenant, **values})

    def execute(
        self, statement: Executable, values: Values | Sequence[Values] | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """Run a statement with the values of its other parameters: once, or once for each of several sets."""
        mine = {TENANT.key: self.tenant}
        if values is None:
            return self.connection.execute(statement, mine)
        if isinstance(values, Mapping):
            return self.connection.execute(statement, {**values, **mine})
        return self.connection.execute(statement, [{**each, **mine} for each in values])

    def scalar(self, statement: Executable, values: Values | None = None) -> Any:
        """Return the first column of the first row, or None."""
        return self.execute(statement, values).scalar()

    def scalars(self, statement: Executable, values: Values | None = None) -> ScalarResult[Any]:
        """Return the first column of every row."""
        return self.execute(statement, values).scalars()
