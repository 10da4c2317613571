"""Estimates how many tokens a text has, without a tokenizer's vocabulary, which would have to be downloaded.

The rule was compared with o200k_base over every error of the corpus: it gave between 1.0 and 1.5 times as many.
"""

import re
from typing import Final

_PIECES: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d{1,3}| (?=\d)|\n+|[^\s\w]|_|\w")
_LETTERS: Final = 9
"""Letters of a Latin word that one token holds."""


def tokens(text: str) -> int:
    """Return an estimate that is seldom too low: pieces of words, up to three digits, other characters."""
    return sum(-(-len(piece) // _LETTERS) if piece.isalpha() else 1 for piece in _PIECES.findall(text))
