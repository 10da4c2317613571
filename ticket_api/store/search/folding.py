"""Makes text comparable for search: once, in Python, so that SQLite and PostgreSQL agree.

NFKC unifies full-width and half-width forms (`ＡＢＣ` and `ABC`, `ｶﾀｶﾅ` and `カタカナ`); case folding goes beyond
ASCII (`STRASSE` finds `Straße`); katakana become hiragana. The folded text is stored beside the original and never
shown.
Source: Unicode Standard, chapter 3.13, "Default Caseless Matching" (compatibility caseless match, simplified).
"""

import unicodedata
from types import MappingProxyType
from typing import Final

from shared.combining_marks import with_few_marks

MAX_WORDS: Final = 10
_TO_HIRAGANA: Final = MappingProxyType({
    **{code: chr(code - 0x60) for code in (*range(0x30A1, 0x30F7), 0x30FD, 0x30FE)},
    0x30F7: "わ\u3099", 0x30F8: "ゐ\u3099", 0x30F9: "ゑ\u3099", 0x30FA: "を\u3099",  # not composed in hiragana
})  # fmt: skip


def fold(text: str) -> str:
    """Return a form of `text` that is equal for texts a user would consider equal in a search."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", with_few_marks(text)).casefold())
    return folded.translate(_TO_HIRAGANA)


def words_of(text: str) -> tuple[str, ...]:
    """Return the folded words of `text`, each once, at most `MAX_WORDS`.

    The longest comes first: it is the rarest, and most tickets need not be compared with the others. Folding may put
    a space into a word (`don´t`); it stays one word.
    """
    return tuple(sorted(dict.fromkeys(map(fold, text.split()[:MAX_WORDS])), key=len, reverse=True))
