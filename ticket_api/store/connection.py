"""One tenant's view of the database: the only way in which this package reads and writes tenants' rows.

Every statement built with `TenantConnection` already has the tenant in it, so it cannot be forgotten. Tables are joined
by their keys, which contain the tenant as well. On PostgreSQL the transaction also names its tenant to the policies of
revision 0002, which hide all other tenants' rows.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    Table,
    Update,
    any_,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

_FIX_PLANS: Final = (
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), "
    "set_config('enable_sort', 'off', true), set_config('enable_incremental_sort', 'off', true), "
    "set_config('max_parallel_workers_per_gather', '0', true), set_config('plan_cache_mode', 'force_custom_plan', true)"
)


def of_tenant(table: FromClause, tenant: str) -> ColumnElement[bool]:
    """Return the condition that keeps tenants apart. It is built only here."""
    return table.c.tenant_id == tenant


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


def among(db: "TenantConnection", column: ColumnElement[Any], values: Sequence[int | str]) -> ColumnElement[bool]:
    """Return the condition that `column` is one of `values`, with one parameter however many there are."""
    if db.connection.dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(column.type)))
    return column.in_(select(func.json_each(json.dumps(list(values))).table_valued("value").c.value))


def add_if_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Store a row unless its key exists; return whether it did. Waits for a transaction that is adding the same key."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return bool((connection.execute(dialect.insert(table).values(**values).on_conflict_do_nothing())).rowcount)


@dataclass(frozen=True, slots=True)
class TenantConnection:
    """A transaction of one tenant; create it with `open`."""

    connection: Connection
    tenant: str

    @classmethod
    def open(cls, connection: Connection, tenant: str) -> Self:
        """Bind a transaction that has just begun to `tenant`."""
        name_to_policies(connection, "app.tenant_id", tenant)
        return cls(connection, tenant)

    def select(self, table: FromClause, *columns: Any) -> Select[Any]:
        """Select `columns`, or all, of the tenant's rows of `table`."""
        return self.only(select(*(columns or (table,))).select_from(table), table)

    def only(self, query: Select[Any], table: FromClause) -> Select[Any]:
        """Restrict a prepared query to the tenant's rows of `table`."""
        return query.where(of_tenant(table, self.tenant))

    def insert(self, table: Table) -> Insert:
        """Insert rows of the tenant."""
        return insert(table).values(tenant_id=self.tenant)

    def update(self, table: Table) -> Update:
        """Update the tenant's rows."""
        return update(table).where(of_tenant(table, self.tenant))

    def delete(self, table: Table) -> Delete:
        """Delete the tenant's rows."""
        return delete(table).where(of_tenant(table, self.tenant))

    def add_if_new(self, table: Table, **values: Any) -> bool:
        """Store a row of the tenant unless its key exists. Waits for a transaction that is adding the same key."""
        return add_if_new(self.connection, table, {"tenant_id": self.tenant, **values})

    def execute(
        self, statement: Executable, rows: Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """Run a statement, once for each of `rows` if given."""
        return self.connection.execute(statement, rows)

    def scalar(self, statement: Executable) -> Any:
        """Return the first column of the first row, or None."""
        return self.connection.scalar(statement)

    def scalars(self, statement: Executable) -> ScalarResult[Any]:
        """Return the first column of every row."""
        return self.connection.scalars(statement)
