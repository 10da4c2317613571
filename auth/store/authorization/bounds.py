"""Keeps the tables of the authorization server small: each new row may delete a few old ones."""

from typing import Final

from sqlalchemy import Column, ColumnElement, String, Table, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.errors import InvalidInputError

PRUNED_AT_ONCE: Final = 100
"""How many old rows one new row deletes at most: more than are added, and little work for the caller that adds one."""


async def prune(
    connection: AsyncConnection,
    key: Column[str],
    *which: ColumnElement[bool],
    first: tuple[ColumnElement[object], ...] = (),
    most: int = PRUNED_AT_ONCE,
) -> None:
    """Delete at most `most` rows of the table of `key`, those `first` in order; leave those that others work on."""
    query = select(key).where(*which).order_by(*first).limit(most).with_for_update(skip_locked=True)
    old = (await connection.scalars(query)).all()
    if old:
        await connection.execute(delete(key.table).where(key.in_(old)))


async def make_room(
    connection: AsyncConnection,
    key: Column[str],
    *which: ColumnElement[bool],
    first: tuple[ColumnElement[object], ...],
    limit: int,
) -> None:
    """Delete rows, those `first` in order, until one more of `which` is within `limit`."""
    there = await connection.scalar(select(func.count()).select_from(key.table).where(*which)) or 0
    if there >= limit:
        await prune(connection, key, *which, first=first, most=min(there - limit + 1, PRUNED_AT_ONCE))


def is_storable(text: str, column: Column[str]) -> bool:
    """Return whether both databases store `text` in `column`, and find it: SQLite itself refuses nothing."""
    length = column.type.length if isinstance(column.type, String) else None
    is_unicode = "\0" not in text and text == text.encode("utf-8", "replace").decode()
    return is_unicode and (length is None or len(text) <= length)


def check_storable(table: Table, **values: object) -> None:
    """Raises: InvalidInputError: a text is too long for its column, or no database stores it."""
    for name, value in values.items():
        if isinstance(value, str) and not is_storable(value, table.c[name]):
            raise InvalidInputError(f"{name} is too long, or contains characters that cannot be stored.", field=name)
