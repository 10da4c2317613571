"""What widely used clients do that the protocol does not allow, and that this server serves all the same.

One table: each row is one exact shape, is counted when it is served (`client_habits`), and can be switched off by an
operator (`MCP_CLIENT_HABITS_OFF`). Anything that is not in the table is refused as the protocol asks. The code that
serves a row asks `ClientHabits.admits` once it has recognised the shape. `docs/interop.md` has the table for readers.
"""

from collections.abc import Collection
from types import MappingProxyType
from typing import Final, NamedTuple

from shared.telemetry import Counter


class Habit(NamedTuple):
    """One habit of clients."""

    name: str
    """Value of the counter's label `habit`, and the word in `MCP_CLIENT_HABITS_OFF`."""
    clients: str
    """Who was reported to do it."""
    shape: str
    """How it is recognised."""
    done: str
    """What this server does."""
    off: str
    """What it does instead when the row is switched off."""


HABITS: Final[tuple[Habit, ...]] = (
    Habit(
        "no_session_id",
        "claude.ai connector",
        "a POST or GET to `/mcp` of a revision with sessions that is no `initialize` and has no `Mcp-Session-Id`",
        "each request is served by itself, in the revision of `MCP-Protocol-Version` (2025-03-26 without one); a GET "
        "is answered 405, after which clients go on without a stream",
        "400 `no_session`",
    ),
)
"""All rows, in the order of the document."""
NAMES: Final = frozenset(habit.name for habit in HABITS)


class ClientHabits:
    """The rows that are served, and their counter.

    Args:
        off: names of rows that are switched off.
        counter: counts `client_habits` by `habit`.

    Raises:
        ValueError: there is no such row.
    """

    def __init__(self, *, off: Collection[str] = (), counter: Counter | None = None) -> None:
        if unknown := sorted(set(off) - NAMES):
            raise ValueError(f"there is no client habit {', '.join(unknown)}; choose from {', '.join(sorted(NAMES))}")
        self._is_served = MappingProxyType({name: name not in off for name in NAMES})
        self._counter = counter

    def admits(self, name: str) -> bool:
        """Return whether the habit `name`, which was just recognised, is served; count it if so."""
        is_served = self._is_served[name]
        if is_served and self._counter is not None:
            self._counter.count("client_habits", habit=name)
        return is_served
