"""Statements that change master data. The caller checks what they are given."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, RowMapping, Table, func, select

from ticket_api.store.connection import TenantConnection
from ticket_api.store.search.folding import fold

MOST_COUNTED: Final = 1000


def read(db: TenantConnection, table: Table, id_: str) -> RowMapping | None:
    """Return a row, or None."""
    return db.execute(db.select(table).where(table.c.id == id_)).mappings().one_or_none()


def every(db: TenantConnection, table: Table) -> Sequence[RowMapping]:
    """Return all rows."""
    return db.execute(db.select(table)).mappings().all()


def ids(db: TenantConnection, table: Table, prefix: str) -> Sequence[str]:
    """Return the ids that begin with `prefix`."""
    return db.scalars(db.select(table, table.c.id).where(table.c.id.startswith(prefix, autoescape=True))).all()


def named(db: TenantConnection, table: Table, column: str, category_id: str | None) -> Sequence[RowMapping]:
    """Return the id of every row and its value in `column`; of category details, those of one category."""
    query = db.select(table, table.c.id, table.c[column].label("value"))
    if category_id is not None:
        query = query.where(table.c.category_id == category_id)
    return db.execute(query).mappings().all()


def last_place(db: TenantConnection, table: Table) -> int:
    """Return the highest `order_no`, or 0."""
    return int(db.scalar(db.select(table, func.coalesce(func.max(table.c.order_no), 0))))


def insert(db: TenantConnection, table: Table, values: Mapping[str, Any]) -> None:
    """Store a row."""
    db.execute(db.insert(table).values(**_folded(table, values)))


def insert_all(db: TenantConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store rows that all have the same columns."""
    if rows:
        db.execute(db.insert(table), [_folded(table, row) for row in rows])


def update(db: TenantConnection, table: Table, id_: str, values: Mapping[str, Any]) -> None:
    """Change a row."""
    db.execute(db.update(table).where(table.c.id == id_).values(**_folded(table, values)))


def delete(db: TenantConnection, table: Table, id_: str) -> None:
    """Delete a row."""
    db.execute(db.delete(table).where(table.c.id == id_))


def count_uses(db: TenantConnection, column: Column[Any], id_: str) -> int:
    """Return how many rows refer to the id by `column`, at most `MOST_COUNTED` and one more."""
    some = db.select(column.table, column).where(column == id_).limit(MOST_COUNTED + 1).subquery()
    return int(db.scalar(select(func.count()).select_from(some)))


def _folded(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    more = {"name_folded": fold(values["name"])} if "name" in values and "name_folded" in table.c else {}
    return {**values, **more}
