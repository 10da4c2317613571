"""Label values for counters, out of a set that nobody bounds: the first few that come by, and one word for the rest."""

from typing import Final

OTHER: Final = "other"


class FirstFew:
    """Knows the first `most` values that it was asked about."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def label(self, value: str) -> str:
        """Return `value` itself if it is one of the first, else `OTHER`."""
        if value not in self._known and len(self._known) >= self._most:
            return OTHER
        self._known.add(value)
        return value
