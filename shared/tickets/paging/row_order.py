"""The order of the rows of a window: where a place is in it, and the rows of a page."""

from collections.abc import Sequence
from typing import Protocol

from shared.tickets.paging.cursor import Place
from shared.tickets.sorting import Row, in_order


class Order(Protocol):
    """Rows sorted by one date, ties by ticket id, rows without the date last."""

    async def position(self, place: Place, *, descends: bool) -> int:
        """Return how many rows come before a place."""

    async def slice(self, start: int, end: int, *, descends: bool) -> Sequence[Row]:
        """Return rows `start` to `end`."""

    async def date(self, row: Row) -> str | None:
        """Return the date by which a row is sorted, None if it has none."""


class RowOrder:
    """The order by a date that rows show."""

    def __init__(self, rows: Sequence[Row], field: str) -> None:
        self._rows = rows
        self._field = field

    async def position(self, place: Place, *, descends: bool) -> int:
        """Return how many rows come before a place."""
        return sum(not place.is_before(row, row.get(self._field), descends=descends) for row in self._rows)

    async def slice(self, start: int, end: int, *, descends: bool) -> Sequence[Row]:
        """Return rows `start` to `end`."""
        return in_order(self._rows, self._field, descends=descends)[start:end]

    async def date(self, row: Row) -> str | None:
        """Return the date of a row."""
        return row.get(self._field)
