"""Makes text comparable for search: once, in Python, so that SQLite and PostgreSQL agree.

NFKC unifies full-width and half-width forms (`ＡＢＣ` and `ABC`, `ｶﾀｶﾅ` and `カタカナ`); case folding goes beyond
ASCII (`STRASSE` finds `Straße`); katakana become hiragana. The folded text is stored beside the original and never
shown.
Source: Unicode Standard, chapter 3.13, "Default Caseless Matching" (compatibility caseless match, simplified); Unicode
Standard Annex 15, section 13, "Stream-Safe Text Format".
"""

import re
import unicodedata
from types import MappingProxyType
from typing import Final

MAX_WORDS: Final = 10
MOST_MARKS: Final = 30
"""Combining marks of one character that count; no language needs as many, and sorting them takes quadratic time."""
_SUSPICIOUS: Final = re.compile(rf"(?:[^\w\s\x00-\x7f]|[\uff9e\uff9f]){{{MOST_MARKS + 1},}}")
"""More characters in a row than marks may be: all marks are among these, and signs."""
_TO_HIRAGANA: Final = MappingProxyType({
    **{code: chr(code - 0x60) for code in (*range(0x30A1, 0x30F7), 0x30FD, 0x30FE)},
    0x30F7: "わ\u3099", 0x30F8: "ゐ\u3099", 0x30F9: "ゑ\u3099", 0x30FA: "を\u3099",  # not composed in hiragana
})  # fmt: skip


def fold(text: str) -> str:
    """Return a form of `text` that is equal for texts a user would consider equal in a search."""
    if text.isascii():
        return text.lower()
    bounded = _SUSPICIOUS.sub(_with_fewer_marks, text)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", bounded).casefold())
    return folded.translate(_TO_HIRAGANA)


def _with_fewer_marks(found: re.Match[str]) -> str:
    kept, marks = [], 0
    for character in found[0]:
        is_mark = unicodedata.combining(unicodedata.normalize("NFKD", character)[0])
        marks = marks + 1 if is_mark else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def words_of(text: str) -> tuple[str, ...]:
    """Return the folded words of `text`, each once, at most `MAX_WORDS`.

    The longest comes first: it is the rarest, and most tickets need not be compared with the others. Folding may put
    a space into a word (`don´t`); it stays one word.
    """
    return tuple(sorted(dict.fromkeys(map(fold, text.split()[:MAX_WORDS])), key=len, reverse=True))
