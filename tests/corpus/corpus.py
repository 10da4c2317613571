"""Reads corpora of wrong arguments and tries each entry on a real server: at once, or with the repairer's help."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mcp import Client
from mcp_types import CallToolResult

from tests.corpus.repairer import repaired
from tests.corpus.tokens import tokens
from tests.shared.given import text_of

HERE: Final = Path(__file__).parent
MOST: Final = 300
"""Tokens of a whole error."""
MOST_PER_PROBLEM: Final = 60
MOST_WITH_CANDIDATES: Final = 120


@dataclass(frozen=True)
class Entry:
    """One call with something wrong in its arguments."""

    kind: str
    tool: str
    wrong: Mapping[str, Any]
    """The arguments to try, beside those that the tool needs."""
    works: bool
    """Whether it must work at once."""
    shows: str
    """What the result must contain, at once or after the repair."""
    without: frozenset[str] = field(default_factory=frozenset)
    """Arguments that the tool needs and that are left out."""

    def arguments(self, number: int) -> dict[str, Any]:
        """Return the arguments of call `number`; no other call has equal ones."""
        right = {name: value for name, value in BASES.get(self.tool, {}).items() if name not in self.without}
        return {name: f"{value}{number}" if str(value).endswith("#") else value for name, value in right.items()} | {
            **self.wrong
        }


def _read(name: str) -> Mapping[str, Any]:
    return tomllib.loads((HERE / name).read_text(encoding="utf-8"))


BASES: Final[Mapping[str, Mapping[str, Any]]] = _read("arguments.toml")["needed"]


def entries(name: str) -> Iterator[Entry]:
    """Yield the entries of a file, in order."""
    for kind, rows in _read(name).items():
        if kind == "needed":
            continue
        for tool, wrong, outcome, shows, *without in rows["entries"]:
            yield Entry(kind, tool, json.loads(wrong), outcome == "works", shows, frozenset(*without))


async def failure(client: Client, entry: Entry, number: int) -> str:
    """Try an entry; return what is not as it should be, empty if all is well."""
    arguments = entry.arguments(number)
    result = await client.call_tool(entry.tool, arguments)
    if entry.works or not result.is_error:
        return await _shown(client, entry, result)
    error = (result.structured_content or {})["error"]
    if too_long := _too_long(text_of(result), error):
        return too_long
    again = repaired(arguments, text_of(result), error)
    if again is None:
        return f"the repairer finds no correction in: {text_of(result)}"
    return await _shown(client, entry, await client.call_tool(entry.tool, again))


async def _shown(client: Client, entry: Entry, result: CallToolResult) -> str:
    """Look for what the entry shows in the result, and of a write also in the ticket: results of writes are short."""
    if result.is_error:
        return f"refused: {text_of(result)}"
    shown = text_of(result)
    if entry.shows not in shown and "ticketId" in (said := result.structured_content or {}):
        ticket = await client.call_tool("get_ticket_detail", {"ticketId": said["ticketId"]})
        shown = f"{text_of(ticket)}{json.dumps(ticket.structured_content, ensure_ascii=False)}"
    return "" if entry.shows in shown else f"{entry.shows!r} is not in: {text_of(result)[:400]}"


def _too_long(text: str, error: Mapping[str, Any]) -> str:
    """Return the first part of an error that is too long."""
    problems, _, _ = text.partition("\nCall again")
    lines = [line for line in problems.split("\n") if line.startswith("- ")] or [problems]
    parts = [(MOST, text), *((MOST_WITH_CANDIDATES if "Allowed: " in one else MOST_PER_PROBLEM, one) for one in lines)]
    return next((f"{tokens(part)} of {most} tokens: {part}" for most, part in parts if tokens(part) > most), "")
