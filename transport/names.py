"""Names that come from outside, as labels of counters: bounded in number, so that nobody can fill the memory."""

from typing import Final

OTHER: Final = "other"


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
