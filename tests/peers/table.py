"""The table of docs/tools.md that shows other ticket servers beside this one."""

from collections.abc import Callable, Sequence
from typing import Final

from tests.peers.measure import Measured
from tests.peers.servers import SHOWN_BY
from tests.processes import ROOT

DOCUMENT: Final = ROOT / "docs" / "tools.md"
BEGIN, END = "<!-- peers: python -m tests.peers -->\n", "<!-- /peers -->"


def table(measured: Sequence[Measured]) -> str:
    """Return the Markdown table: a column for each server, a row for each figure and ability."""

    def row(what: str, cell: Callable[[Measured], str]) -> str:
        return f"| {what} | {' | '.join(map(cell, measured))} |\n"

    return (
        row("", lambda one: one.server.name if one.server.pins is None else f"`{one.server.name}`")
        + "|---|" + "--:|" * len(measured) + "\n"
        + row("version", lambda one: one.server.version())
        + row("tools", lambda one: str(len(one.tools)))
        + row("tokens of names, descriptions, inputs", lambda one: f"{one.tokens:,}")
        + "".join(row(ability, _shown(ability)) for ability in SHOWN_BY)
        + row("prompts", lambda one: str(one.prompts or "–"))
        + row("resources and templates", lambda one: str(one.resources or "–"))
        + row("completion of arguments", lambda one: "yes" if one.completes else "–")
    )  # fmt: skip


def _shown(ability: str) -> Callable[[Measured], str]:
    return lambda one: ", ".join(f"`{name}`" for name in one.shown(ability)) or "–"


def written(document: str, made: str) -> str:
    """Return the document with this table."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{made}{END}{after}"
