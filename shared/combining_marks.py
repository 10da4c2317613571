"""Bounds how many combining marks a character has, before text is normalised. Pure.

To normalise is to sort the marks of each character, which takes quadratic time: seconds for 50,000 of them.
Source: Unicode Standard Annex 15, section 13, "Stream-Safe Text Format".
"""

import re
import unicodedata
from typing import Final

MOST_MARKS: Final = 30
"""In a row; no language needs as many."""
_SUSPICIOUS: Final = re.compile(rf"(?:[^\w\s\x00-\x7f]|[\uff9e\uff9f]){{{MOST_MARKS + 1},}}")
"""More characters in a row than marks may be: all marks are among these, and symbols."""


def with_few_marks(text: str) -> str:
    """Return `text` without the marks that follow `MOST_MARKS` others."""
    return text if text.isascii() else _SUSPICIOUS.sub(_shortened, text)


def _shortened(found: re.Match[str]) -> str:
    kept, marks = [], 0
    for character in found[0]:
        is_mark = unicodedata.combining(unicodedata.normalize("NFKD", character)[0])
        marks = marks + 1 if is_mark else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)
