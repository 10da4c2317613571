"""Formats aligned columns for a terminal. Pure."""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

NOTHING: Final = "–"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return `rows`, all with the same keys, below a header line; times are in UTC, to the minute.

    Columns that are empty in every row are left out.
    """
    if not rows:
        return "None."
    names = [name for name in rows[0] if any(_cell(row[name]) != NOTHING for row in rows)]
    lines = [[name.replace("_", " ") for name in names], *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cell(value: object) -> str:
    match value:
        case None | "":
            return NOTHING
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case frozenset():
            return " ".join(sorted(map(str, value)))
        case _:
            return "".join(sign if sign.isprintable() else "?" for sign in str(value))  # a client names itself


def _width(text: str) -> int:
    """Return how many columns `text` takes on a terminal: two for a Chinese or Japanese character."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
