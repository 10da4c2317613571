"""How many streams each principal reads: the seam, and the count of a single instance.

`valkey.stream_counts.SharedStreamCounts` counts those of many instances. Both pass
tests/transport/sessions/test_stream_counts.py.
"""

from typing import Protocol

from shared.identity import PrincipalKey


class StreamCounts(Protocol):
    """Counts streams that are open."""

    async def try_add(self, owner: PrincipalKey, most: int) -> bool:
        """Count one more stream of `owner`, unless they would be more than `most` then. Never raises."""
        ...

    def add(self, owner: PrincipalKey) -> None:
        """Count one more in any case."""
        ...

    def drop(self, owner: PrincipalKey) -> None:
        """Count one less, which was counted before."""
        ...


class LocalStreamCounts:
    """Counts those of this process."""

    def __init__(self) -> None:
        self.of: dict[PrincipalKey, int] = {}
        """How many are open; nobody is kept who has none."""

    async def try_add(self, owner: PrincipalKey, most: int) -> bool:
        """Count one more stream of `owner`, unless they would be too many."""
        if self.of.get(owner, 0) >= most:
            return False
        self.add(owner)
        return True

    def add(self, owner: PrincipalKey) -> None:
        """Count one more in any case."""
        self.of[owner] = self.of.get(owner, 0) + 1

    def drop(self, owner: PrincipalKey) -> None:
        """Count one less."""
        self.of[owner] -= 1
        if not self.of[owner]:
            del self.of[owner]
