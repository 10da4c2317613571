"""How text is made comparable for search: once in Python, so that SQLite and PostgreSQL agree.

NFKC makes full-width and half-width forms one (`ＡＢＣ` and `ABC`, `ｶﾀｶﾅ` and `カタカナ`); case folding goes beyond
ASCII (`Straße` is found by `STRASSE`). The folded text is stored beside the original and never shown.
Source: Unicode Standard, chapter 3.13, "Default Caseless Matching" (compatibility caseless match, in short form).
"""

import unicodedata


def fold(text: str) -> str:
    """Return the form of `text` in which equal means equal to a person who searches."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
