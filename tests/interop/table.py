"""The table of docs/interop.md: clients, and their results."""

from collections.abc import Callable
from typing import Final

from tests.interop.environments import version
from tests.interop.rows import CLIENTS, Client, Row
from tests.processes import ROOT

DOCUMENT: Final = ROOT / "docs" / "interop.md"
BEGIN, END = "<!-- interop: python -m tests.interop -->\n", "<!-- /interop -->"
REGISTRIES: Final = {"python-v1": "PyPI", "python-v2": "PyPI", "python-v2.1": "PyPI", "node": "npm", "clients": "npm"}
HEAD: Final = "| client | from | version | mode | SSE | Streamable HTTP |\n|---|---|---|---|---|---|\n"


def table(outcome: Callable[[Row], str]) -> str:
    """Return the table; `outcome` returns what follows the revision of a row."""

    def line(client: Client) -> str:
        sse, http = (f"{row.revision} {outcome(row)}" for row in (Row(client, "sse"), Row(client, "http")))
        pinned = version(client.package, client.home)
        mode = f"`{client.mode}`" if client.mode else "–"
        return f"| `{client.package}` | {REGISTRIES[client.home]} | {pinned} | {mode} | {sse} | {http} |\n"

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
