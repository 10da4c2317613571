"""Cuts texts: long ones into parts that together are the whole text, and labels to their beginning. Pure.

A part that is not the whole has a mark where text is missing. The marks are the same in every language, so that a text
that is written back with one is recognised and refused. Parts never begin or end inside what is read as one character.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import accumulate, takewhile
from typing import Final

CUT_MARK: Final = re.compile(r"\[\s*cut\s+at\s+[\d.,\s]+\s+of\s+[\d.,\s]+\s+characters\s*\]", re.IGNORECASE)
"""The mark of an incomplete text, also with altered blanks or commas."""
_LONGEST_CHARACTER: Final = 40
"""Code points that one character may have before it is cut all the same."""
_JOINING: Final = frozenset({"Cf", "Mn", "Mc", "Me"})
_BLANK_CELL: Final = "\u2800"


def part(text: str, limit: int, number: int = 1) -> str | None:
    """Return part `number` of `text`, from 1, of at most `limit` characters, or None if there are fewer.

    ` … [cut at 12,000 of 15,000 characters]` follows a part that is not the last; `[cut at …] … ` precedes one that is
    not the first.
    """
    for place, (start, end) in enumerate(_places(text, limit), 1):
        if place == number:
            before = f"{_mark(start, text)} … " if start else ""
            after = f" … {_mark(end, text)}" if end < len(text) else ""
            return f"{before}{text[start:end]}{after}"
    return None


def parts_of(text: str, limit: int) -> int:
    """Return how many parts `text` has."""
    return 1 if len(text) <= limit else sum(1 for _ in _places(text, limit))


def cut(text: str, limit: int) -> str:
    """Return `text`, or its first part with the mark."""
    return text if len(text) <= limit else part(text, limit) or ""


def beginning(text: str, most: int, cost: Callable[[str], int] = len) -> str:
    """Return `text` on one line, or the first characters that cost at most `most` together, and an ellipsis."""
    line = " ".join(text.split())
    end = sum(1 for _ in takewhile(lambda total: total <= most, accumulate(map(cost, line))))
    return line if end == len(line) else f"{line[: _end(line, 0, end)].rstrip()}…"


def _mark(at: int, text: str) -> str:
    return f"[cut at {at:,} of {len(text):,} characters]"


def _places(text: str, limit: int) -> Iterator[tuple[int, int]]:
    """Yield where each part begins and ends."""
    start = 0
    while True:
        end = _end(text, start, start + limit)
        yield start, end
        if end >= len(text):
            return
        start = end


def _end(text: str, start: int, most: int) -> int:
    """Return the last place, `most` or before it, where no character is cut in two."""
    if most >= len(text):
        return len(text)
    earliest = max(start, most - _LONGEST_CHARACTER)
    return next((at for at in range(most, earliest, -1) if not _is_inside(text[at - 1], text[at])), most)


def _is_inside(last: str, following: str) -> bool:
    """Whether a character may go on from `last` to `following`: a line end, a joined emoji, a letter with marks."""
    if last.isascii() and following.isascii():
        return last == "\r" and following == "\n"
    return (
        unicodedata.category(following) in _JOINING
        or unicodedata.category(last) == "Cf"
        or _BLANK_CELL in {last, following}
    )
