"""The table of docs/interop.md: clients, and their results."""

from collections.abc import Callable
from typing import Final

from tests.interop.environments import version
from tests.interop.rows import CLIENTS, ROWS, WIRES, Client, Row
from tests.processes import ROOT

DOCUMENT: Final = ROOT / "docs" / "interop.md"
BEGIN, END = "<!-- interop: python -m tests.interop -->\n", "<!-- /interop -->"
HEAD: Final = "| client | from | version | mode | SSE | Streamable HTTP |\n|---|---|---|---|---|---|\n"


def table(outcome: Callable[[Row], str]) -> str:
    """Return the table; `outcome` returns what follows the revision of a row."""

    def line(client: Client) -> str:
        rows = (Row(client, wire) for wire in WIRES)
        sse, http = (f"{row.revision} {outcome(row)}" if row in ROWS else "–" for row in rows)
        registry = "PyPI" if client.home.startswith("python-") else "npm"
        pinned = version(client.package, client.home)
        mode = f"`{client.mode}`" if client.mode else "–"
        return f"| `{client.package}` | {registry} | {pinned} | {mode} | {sse} | {http} |\n"

    return HEAD + "".join(map(line, CLIENTS))


def passed(_: Row) -> str:
    """Return what follows the revision of a row that passed."""
    return "✓"


def written() -> tuple[str, str]:
    """Return what is between the markers of the document: the line with the date, and the table."""
    _, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    date, _, rows = rest.partition(END)[0].partition("\n\n")
    return date, rows


def write(date: str, rows: str) -> None:
    """Replace what is between the markers."""
    before, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}Driven on {date}.\n\n{rows}{END}{after}", "utf-8")
