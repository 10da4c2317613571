"""What the callers do: 300 tool calls, 100 of which create tickets, as pure data from a seed.

Every caller has a mark, contained in all it writes and requests, so that a response shows whose it is. Its calls come
in waves, one for each fault, so that each fault has calls left to hit; wave 0 is one creation, before all faults.
"""

import random
from dataclasses import dataclass
from typing import Any, Final

from shared.writes.repeats import upstream_key
from tests.shared.given import TICKET

TYPESCRIPT: Final = 3
PYTHON: Final = 3
CALLS: Final = 300
CREATIONS: Final = 100
_CALLERS: Final = ("default", "service-account")
"""Tenant and principal of all callers, who share one key."""
OWN_TICKET: Final = "$ticketId"
"""Placeholder in arguments for the ticket that the caller created last."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One tool call. `expects` is a text that only the correct result contains."""

    number: int
    wave: int
    tool: str
    arguments: dict[str, Any]
    expects: str

    @property
    def key(self) -> str:
        """The key of a callers' write at the ticket API, the same for every repeat; empty for a read."""
        key = self.arguments.get("idempotencyKey")
        return upstream_key(_CALLERS, key) if key else ""


@dataclass(frozen=True)
class Script:
    """What one caller does, in order."""

    caller: str
    mark: str
    calls: tuple[Call, ...]


def scripts(seed: int, waves: int) -> list[Script]:
    """Return what each caller does."""
    rng = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    names = [f"typescript-{n}" for n in range(TYPESCRIPT)] + [f"python-{n}" for n in range(PYTHON)]
    later = [(name, wave) for wave in range(1, waves + 1) for name in names]
    rest = CALLS - len(names)
    slots = [(0, name, "create") for name in names]
    tools = ["create"] * (CREATIONS - len(names))
    tools += [("detail", "list", "comment")[n % 3] for n in range(rest - len(tools))]
    rng.shuffle(tools)
    slots += [(later[n % len(later)][1], later[n % len(later)][0], tool) for n, tool in enumerate(tools)]
    slots.sort(key=lambda slot: slot[0])
    return [_script(name, f"mark{rng.getrandbits(48):012x}", slots) for name in names]


def _script(name: str, mark: str, slots: list[tuple[int, str, str]]) -> Script:
    mine = [(wave, tool) for wave, caller, tool in slots if caller == name]
    calls = tuple(_call(mark, number, wave, tool) for number, (wave, tool) in enumerate(mine))
    return Script(name, mark, calls)


def _call(mark: str, number: int, wave: int, kind: str) -> Call:
    text = f"{mark} says {number:03}"
    written = {"idempotencyKey": f"{mark}-{number:03}"}
    kinds: dict[str, tuple[str, dict[str, Any], str]] = {
        "create": ("create_ticket", TICKET | {"summary": text} | written, text),
        "comment": ("add_ticket_history", {"ticketId": OWN_TICKET, "userId": "user2", "comment": text} | written, text),
        "detail": ("get_ticket_detail", {"ticketId": OWN_TICKET}, mark),
        "list": ("get_ticket_list", {"searchQuery": mark, "limit": 3}, mark),
    }
    tool, arguments, expects = kinds[kind]
    return Call(number=number, wave=wave, tool=tool, arguments=arguments, expects=expects)
