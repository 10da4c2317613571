"""What widely used clients do that the protocol does not allow, and that this server serves all the same.

One table: each row is one exact shape, is counted when it is served (`client_habits`), and can be switched off by an
operator (`MCP_CLIENT_HABITS_OFF`). Anything that is not in the table is refused as the protocol asks. The code that
serves a row asks `ClientHabits.admits` once it has recognised the shape. `docs/interop.md` has the table for readers.
"""

from collections.abc import Collection
from types import MappingProxyType
from typing import Final, NamedTuple

from shared.counting import Counter


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
    Habit(
        "connector_envelope",
        "Claude Desktop and Claude Code through a claude.ai connector",
        "a request with a complete envelope of 2026-07-28 whose `clientInfo.name` is one of these clients, the right "
        "`Mcp-Method` and `Mcp-Name`, but `MCP-Protocol-Version: 2025-11-25`",
        "the envelope decides: it is served as a request of 2026-07-28",
        "400, -32020",
    ),
    Habit(
        "joined_version",
        "Claude Code 2.1, proxies",
        "`MCP-Protocol-Version` with identical copies of one revision, in one line (`2025-11-25, 2025-11-25`) or in "
        "several",
        "the copies count as one",
        "400: there is no such revision",
    ),
    Habit(
        "later_version",
        "claude.ai connector",
        "a request to `/mcp` with a session id, `MCP-Protocol-Version: 2026-07-28`, and no envelope of that revision",
        "the session and its revision decide",
        "400, -32602; GET and DELETE: 405",
    ),
    Habit(
        "one_accept",
        "OpenAI Responses, claude.ai, several SDKs",
        "a POST to `/mcp` whose `Accept` allows JSON alone, or an event stream alone",
        "the response is of the accepted type; with JSON alone there is no progress, no question to the client and no "
        "resuming of that call",
        "406 `accept`",
    ),
    Habit(
        "final_slash",
        "people, gateways",
        "`/mcp/`, `/sse/` or `/messages/`",
        "the same as without the slash; never a redirect",
        "404",
    ),
    Habit(
        "foreign_arguments",
        "n8n, old versions of Cursor",
        'an argument `toolCallId`, `sessionId`, `action`, `chatInput`, `random_string`, `_meta` or `""` that the tool '
        "does not have",
        "it is ignored, with a note in the result",
        "`invalid_input`: not an argument of this tool",
    ),
    Habit(
        "foreign_credential",
        "Cloud Run with an invoker check, gateways",
        "`x-api-key` together with `Authorization: Bearer`, where one of the two values is a credential of this "
        "server, or both are the same one",
        "the one that is valid here counts, the other one is ignored",
        "400 `unauthenticated`",
    ),
    Habit(
        "empty_arguments",
        "models of several vendors",
        'an optional argument that cannot be empty as `""`, `"null"`, `"None"`, `"undefined"`, `[]` or `{}`; free text '
        'only as `""`, `[]` or `{}`. Characters that cannot be seen do not count',
        "it counts as absent; `update_ticket` says so in a note",
        "`invalid_input`",
    ),
    Habit(
        "stringified",
        "models of several vendors",
        "JSON text instead of the arguments object, of a list argument, of an item of `attachments`, or around a value",
        "the text is read, within the bounds of the value that it stands for",
        "-32602 for the arguments object, `invalid_input` inside it; both say what is expected",
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

    def serves(self, name: str) -> bool:
        """Return whether the habit `name` is served, without counting it."""
        return self._is_served[name]

    def admits(self, name: str) -> bool:
        """Return whether the habit `name`, which was just recognised, is served; count it if so."""
        is_served = self._is_served[name]
        if is_served and self._counter is not None:
            self._counter.count("client_habits", habit=name)
        return is_served
