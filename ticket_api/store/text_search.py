"""Makes text comparable for search: once, in Python, so that SQLite and PostgreSQL agree.

NFKC unifies full-width and half-width forms (`ＡＢＣ` and `ABC`, `ｶﾀｶﾅ` and `カタカナ`); case folding goes beyond
ASCII (`STRASSE` finds `Straße`). The folded text is stored beside the original and never shown.
Source: Unicode Standard, chapter 3.13, "Default Caseless Matching" (compatibility caseless match, simplified).
"""

import unicodedata
from types import MappingProxyType
from typing import Final

MAX_WORDS: Final = 10
_TO_HIRAGANA: Final = MappingProxyType({code: code - 0x60 for code in range(0x30A1, 0x30F7)})
_TO_KATAKANA: Final = MappingProxyType({hiragana: code for code, hiragana in _TO_HIRAGANA.items()})


def fold(text: str) -> str:
    """Return a form of `text` that is equal for texts a user would consider equal in a search."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def words_of(text: str) -> tuple[tuple[str, ...], ...]:
    """Return the folded words of `text`, each once, at most `MAX_WORDS`: as they are, and in other kana.

    The longest comes first: it is the rarest, and most tickets need not be compared with the others.
    """
    words = dict.fromkeys(fold(text).split()[:MAX_WORDS])
    return tuple(map(_kana_forms, sorted(words, key=len, reverse=True)))


def _kana_forms(word: str) -> tuple[str, ...]:
    """Return `word`, and with its katakana in hiragana or, if it has none, with its hiragana in katakana."""
    hiragana = word.translate(_TO_HIRAGANA)
    other = hiragana if hiragana != word else word.translate(_TO_KATAKANA)
    return tuple(dict.fromkeys((word, other)))
