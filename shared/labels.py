"""Names as labels of counters: everybody may make up names, and a label needs a bounded set of values."""

from typing import Final

OTHER: Final = "other"
MAX_TENANTS: Final = 100
"""Organisations that counters tell apart."""


class Names:
    """Tells the first `most` names apart; any further one is `other`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def label(self, name: str) -> str:
        """Return `name`, or `other`."""
        if name not in self._known and len(self._known) >= self._most:
            return OTHER
        self._known.add(name)
        return name
