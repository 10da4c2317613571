"""Makes text comparable for search: once, in Python, so that SQLite and PostgreSQL agree.

NFKC unifies full-width and half-width forms (`ＡＢＣ` and `ABC`, `ｶﾀｶﾅ` and `カタカナ`); case folding goes beyond
ASCII (`STRASSE` finds `Straße`). The folded text is stored beside the original and never shown.
Source: Unicode Standard, chapter 3.13, "Default Caseless Matching" (compatibility caseless match, simplified).
"""

import unicodedata


def fold(text: str) -> str:
    """Return a form of `text` that is equal for texts a user would consider equal in a search."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
