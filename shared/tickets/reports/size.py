"""Keeps a report short: how many tokens a text takes at most, about, and which rows fit. Pure.

No tokenizer is installed with the server. The weights are those with which no text of names in Latin, Japanese or other
scripts took more tokens of `o200k_base` than this says; tests/shared/tickets/reports/test_size.py measures it.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from shared.localization import Language, current_language
from shared.tickets.parts import beginning
from shared.tickets.results import Cell

MAX_TOKENS: Final = 300
"""Of a whole report, as text."""
_FIXED: Final[Mapping[Language, int]] = MappingProxyType({"en": 72, "ja": 88})
"""What the totals and the stamp take at most; a period and each column come on top."""
_PERIOD: Final = 27
_COLUMN: Final[Mapping[Language, int]] = MappingProxyType({"en": 5, "ja": 7})
MAX_NAME: Final = 24
"""Columns of a terminal after which a name is cut: 24 letters or 12 Japanese characters."""
_PIECES: Final = re.compile(r"[A-Za-z]+|[0-9]+|[\x00-\x7f]|.", re.DOTALL)
_KANJI: Final = ("\u3200", "\u9fff")
"""Rare ones take two tokens or three, as do ligatures such as ㈱."""
_LETTERS: Final = 3
"""Letters, or digits, of one token."""


def tokens_at_most(text: str) -> int:
    """Return about how many tokens `text` takes, rather more than fewer."""
    return sum(map(_of_piece, _PIECES.findall(text)))


def _of_piece(piece: str) -> int:
    if piece == " ":
        return 0  # belongs to the word after it
    if piece.isascii():
        return -(-len(piece) // _LETTERS)
    if piece > "\uffff":
        return 4
    return 2 if _KANJI[0] <= piece <= _KANJI[1] else 1


def short_name(name: str) -> str:
    """Return `name` on one line, cut after `MAX_NAME` columns."""
    return beginning(name, MAX_NAME, lambda character: 1 if character.isascii() else 2)


def tokens_left(columns: int, *, has_period: bool, notes: Iterable[str]) -> int:
    """Return about how many tokens are left for the rows of a report with so many columns and these notes."""
    language = current_language()
    headings = _FIXED[language] + _COLUMN[language] * columns + _PERIOD * has_period
    return MAX_TOKENS - headings - sum(3 + tokens_at_most(note) for note in notes)


def row_tokens(row: tuple[Cell, ...]) -> int:
    """Return about how many tokens a row of a table takes at most."""
    return 1 + sum(map(_of_cell, row))


def _of_cell(cell: Cell) -> int:
    """Return the tokens of a cell and the bar beside it; a blank before a digit, or alone, is one more."""
    text = "" if cell is None else str(cell)
    return (2 if not text or text[0].isdecimal() else 1) + tokens_at_most(text)
