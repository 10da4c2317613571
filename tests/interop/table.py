"""The tables of docs/interop.md: clients with their results, and what they show for a wrong key and after a restart."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from tests.interop.environments import version
from tests.interop.rows import CLIENTS, ROWS, WIRES, Client, Row, Wire
from tests.processes import ROOT

DOCUMENT: Final = ROOT / "docs" / "interop.md"
BEGIN, END = "<!-- interop: python -m tests.interop -->\n", "<!-- /interop -->"
HEAD: Final = "| client | from | version | mode | SSE | Streamable HTTP |\n|---|---|---|---|---|---|\n"
SHOWN: Final = "| {} | over SSE | over Streamable HTTP |\n|---|---|---|\n"
SERVED: Final = "the result: it is served"


def table(outcome: Callable[[Row], str]) -> str:
    """Return all that is generated; `outcome` returns what follows the revision of a row."""

    def line(client: Client) -> str:
        rows = (Row(client, wire) for wire in WIRES)
        sse, http = (f"{row.revision} {outcome(row)}" if row in ROWS else "–" for row in rows)
        registry = "PyPI" if client.home.startswith("python-") else "npm"
        pinned = version(client.package, client.home)
        mode = f"`{client.mode}`" if client.mode else "–"
        return f"| `{client.package}` | {registry} | {pinned} | {mode} | {sse} | {http} |\n"

    return (
        f"{HEAD}{''.join(map(line, CLIENTS))}\n"
        f"## With a wrong key\n\n{SHOWN.format('shows')}{''.join(shown(lambda row: f'`{row.refusal}`'))}\n"
        f"## After a restart of the server\n\n{SHOWN.format('its next call ends with')}{''.join(shown(after_restart))}"
    )


def after_restart(row: Row) -> str:
    """Return what a client shows for its next call after a restart, in words."""
    if row.recovers:
        return SERVED
    texts = row.after_restart.split("|")
    return " or ".join("an error without text" if text.startswith("^") else f"`{text}`" for text in texts)


def shown(says: Callable[[Row], str]) -> Iterator[str]:
    """Yield a line for each text that clients show, which names them by transport; the most frequent text first."""
    said = [says(row) for row in ROWS]
    for text in sorted(set(said), key=lambda text: (-said.count(text), text)):
        rows = [row for row in ROWS if says(row) == text]
        sse, http = (", ".join(names([row.client for row in rows if row.wire == wire], wire)) for wire in WIRES)
        yield f"| {text} | {sse or '–'} | {http or '–'} |\n"


def names(clients: Sequence[Client], wire: Wire) -> Iterator[str]:
    """Yield the names of clients over a transport: with versions and modes only where those make a difference."""
    for client in clients:
        modes = [other for other in CLIENTS if (other.package, other.home) == (client.package, client.home)]
        homes = {other.home for other in CLIENTS if other.package == client.package}
        name = f"`{client.package}`" + (f" {version(client.package, client.home)}" if len(homes) > 1 else "")
        if not all(other in clients for other in modes if Row(other, wire) in ROWS):
            yield f"{name} (`{client.mode}`)" if client.mode else name
        elif client == next(other for other in modes if other in clients):
            yield name


def passed(_: Row) -> str:
    """Return what follows the revision of a row that passed."""
    return "✓"


def written() -> tuple[str, str]:
    """Return what is between the markers of the document: the line with the date, and what is generated."""
    _, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    date, _, rows = rest.partition(END)[0].partition("\n\n")
    return date, rows


def write(date: str, rows: str) -> None:
    """Replace what is between the markers."""
    before, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}Driven on {date}.\n\n{rows}{END}{after}", "utf-8")
