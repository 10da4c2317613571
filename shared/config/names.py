"""Names that are no settings: a misspelt setting is refused with the right name, any other `MCP_…` name is reported.

Clients pass their own `MCP_…` variables, and often their whole environment, to a STDIO server that they start. Their
variables are ignored, and names without the prefix, which other programs may use, are refused only where they are
certainly meant for this program.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache, partial
from typing import Final

from pydantic_settings import BaseSettings

from shared.config.cloud import CloudSettings
from shared.config.stdio import StdioSettings
from shared.config.ticket_api import TicketApiSettings
from shared.dotenv import Entry
from shared.environment import SettingsError, variables

PREFIX: Final = "MCP_"
MOST_EDITS: Final = 2
CLIENTS_OWN: Final = frozenset({  # Claude Code, then MCP Inspector, as far as a name could be mistaken for a setting
    *("MCP_TIMEOUT", "MCP_TOOL_TIMEOUT", "MCP_CONNECT_TIMEOUT_MS", "MCP_CONNECTION_NONBLOCKING", "MCP_DEBUG"),
    *("MCP_OAUTH_CALLBACK_PORT", "MCP_SERVER_CONNECTION_BATCH_SIZE"),
    *("MCP_AUTO_OPEN_ENABLED", "MCP_SERVER_REQUEST_TIMEOUT"),
})  # fmt: skip
CLIENTS_PREFIXES: Final = (
    *("MCP_CLIENT_", "MCP_PROXY_", "MCP_REQUEST_", "MCP_INSPECTOR_", "MCP_REMOTE_", "MCP_USE_", "MCP_GATEWAY_"),
    "MCP_TEST_",  # of this project's tests
)
"""Of clients, bridges and gateways; checked after misspelt settings, some of which begin alike."""
COMMON: Final = frozenset({"API_KEY", "HOST", "LOG_LEVEL", "TIME_ZONE"})
"""Names without the prefix that an environment may have for many reasons."""


@cache
def known() -> frozenset[str]:
    """Return every variable that some program of this repository reads."""
    return frozenset().union(*map(read_by, (CloudSettings, StdioSettings, TicketApiSettings)))


@cache
def read_by(settings: type[BaseSettings]) -> frozenset[str]:
    """Return the variables that `settings` reads."""
    return frozenset(name for field in settings.model_fields for name in variables(settings, field))


def refuse_wrong_names(
    settings: type[BaseSettings], environment: Mapping[str, str], written: Mapping[str, Entry]
) -> None:
    """Refuse misspelt settings, and in `.env` (`written`) every name with the prefix that is not a setting.

    Raises:
        SettingsError: it names each, and the right name where there is one.
    """
    given = {name.upper() for name, value in environment.items() if value}
    # A client passes on its whole environment, so there only a name with the prefix is certainly meant for us.
    bare = frozenset() if settings is StdioSettings else _without_prefix(settings) - COMMON
    problems = [
        f"{name} is not a setting; did you mean {right}? Rename or remove it."
        for name in sorted(given)
        if (right := _meant(name, bare, {*given, *written}))
    ]
    for name, entry in written.items():
        place = f"{name} (line {entry.line} of .env)"
        if right := _meant(name, _without_prefix(settings), written):
            problems.append(f"{place} is not a setting; did you mean {right}? Rename or remove it.")
        elif name in unknown([name]):
            problems.append(f"{place} is not a setting; README.md lists all. Remove it.")
    if problems:
        raise SettingsError("\n".join(problems))


def unknown(names: Collection[str]) -> Iterator[str]:
    """Yield the names that have the prefix, but are neither settings nor known variables of clients."""
    for name in sorted({name.upper() for name in names} - known() - CLIENTS_OWN):
        if name.startswith(PREFIX) and not name.startswith(CLIENTS_PREFIXES):
            yield name


def bare_names(settings: type[BaseSettings], environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the variables that would be settings of this program if they had the prefix, and are ignored."""
    given = {name.upper() for name, value in environment.items() if value}
    yield from sorted(name for name in given & _without_prefix(settings) if f"{PREFIX}{name}" not in given)


def _without_prefix(settings: type[BaseSettings]) -> frozenset[str]:
    """Return what is left of the settings' names without the prefix, unless it is a setting too."""
    mine = read_by(settings)
    return frozenset(name.removeprefix(PREFIX) for name in mine if name.startswith(PREFIX)) - mine - {"MCP_API_KEY"}


def _meant(name: str, bare: Collection[str], given: Collection[str]) -> str | None:
    """Return the setting that was meant by `name`, if that names no setting.

    Args:
        name: in upper case.
        bare: the names without prefix that are refused, unless the right name is in `given`.
        given: all names that are set.
    """
    if name in bare:
        return None if f"{PREFIX}{name}" in given else f"{PREFIX}{name}"
    if name in known() or name in CLIENTS_OWN:
        return None
    if set(re.split(r"[^A-Z]", name)[0][:3]) != set("MCP"):  # such as TCP_PORT, which has nothing to do with us
        return None
    for one in (name, name.removeprefix(PREFIX)):  # the second is right if the prefix is doubled
        alike = (right for right in sorted(known()) if right.startswith(PREFIX) and _may_be_near(one, right))
        nearest = min(alike, key=partial(edits, one), default="")
        if nearest and edits(one, nearest) <= MOST_EDITS:
            return nearest
    return None


def _may_be_near(one: str, other: str) -> bool:
    return abs(len(one) - len(other)) <= MOST_EDITS


def edits(one: str, other: str) -> int:
    """Return how many characters must be inserted, deleted, replaced or swapped with the next to get `other`."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
