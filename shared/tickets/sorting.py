"""The order of tickets in a list: by a date, then by ticket id, and tickets without the date last. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

Row = Mapping[str, Any]
_DIGITS: Final = re.compile(r"(\d+)")


class Page(NamedTuple):
    """Rows of one page as the API sent them, whether more follow, and what must be said about their order."""

    rows: Sequence[Any]
    has_more: bool
    notes: tuple[str, ...] = ()


def in_order(rows: Sequence[Row], field: str, *, descends: bool) -> list[Row]:
    """Return `rows` by `field`, ties by ticket id in the same direction, rows without it last."""
    dated = [row for row in rows if row.get(field)]
    undated = [row for row in rows if not row.get(field)]
    dated.sort(key=lambda row: (str(row[field]), id_key(row)), reverse=descends)
    undated.sort(key=id_key, reverse=descends)
    return dated + undated


def id_key(row: Row) -> list[tuple[int, int, str]]:
    """Return what a ticket id sorts by: TCK-10000 comes after TCK-9999."""
    parts = _DIGITS.split(str(row["ticketId"]))
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts if part]
