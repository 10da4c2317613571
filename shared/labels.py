"""Bounds names that serve as counter labels: clients can invent names, but a label needs a bounded set of values."""

from typing import Final

OTHER: Final = "other"
MAX_TENANTS: Final = 100
"""Maximum organisations with a counter label of their own."""


class Names:
    """Keeps the first `most` names as labels; all further names become `other`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def label(self, name: str) -> str:
        """Return `name`, or `other`."""
        if name not in self._known and len(self._known) >= self._most:
            return OTHER
        self._known.add(name)
        return name
