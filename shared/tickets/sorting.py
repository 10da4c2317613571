"""Sorts tickets by a date, then by ticket id, with undated tickets last. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

Row = Mapping[str, Any]
_DIGITS: Final = re.compile(r"(\d+)")


class Page(NamedTuple):
    """Rows of one page as the API sent them, whether more follow, and notes on their order."""

    rows: Sequence[Any]
    has_more: bool
    notes: tuple[str, ...] = ()
    total: int | None = None
    """How many tickets there are on all pages, where that is known."""
    total_is_exact: bool = True
    """Whether there are `total` tickets, or more than that."""
    next_cursor: str | None = None
    """Where the next page begins, if more follow."""


def in_order(rows: Sequence[Row], field: str, *, descends: bool) -> list[Row]:
    """Return `rows` sorted by `field`, ties by ticket id in the same direction, rows without the field last."""
    dated = [row for row in rows if row.get(field)]
    undated = [row for row in rows if not row.get(field)]
    dated.sort(key=lambda row: (str(row[field]), id_key(row)), reverse=descends)
    undated.sort(key=id_key, reverse=descends)
    return dated + undated


def id_key(row: Row) -> list[tuple[int, int, str]]:
    """Return the sort key of a ticket id, by which TCK-10000 comes after TCK-9999."""
    parts = _DIGITS.split(str(row["ticketId"]))
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts if part]
