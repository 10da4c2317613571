"""Figures as Markdown tables: one for each row, a line for each server."""

from collections.abc import Iterator, Sequence

from bench.figures import CPU, INSTRUCTIONS, MEMORY, P50, START, Figure, Run
from bench.measures import TITLES
from bench.rows import IDLE, PACED, WORK

BY_RATIO = (INSTRUCTIONS, CPU, MEMORY, P50, START)
"""The measures by which servers are compared, the steadiest first."""


def report(run: Run) -> str:
    """Return the tables of a run."""
    keys = dict.fromkeys(figure.row for figure in run.figures)
    return "\n".join(line for key in keys for line in _table(key, [one for one in run.figures if one.row == key]))


def _table(key: str, figures: Sequence[Figure]) -> Iterator[str]:
    measures = list(dict.fromkeys(one.measure for one in figures))
    servers = list(dict.fromkeys(one.server for one in figures))
    there = {(one.server, one.measure): one for one in figures}
    yield f"\n**{TITLES[key]}** (`{key}`)\n"
    beside = beside_of(key)
    yield f"| server | {' | '.join(measures)} | × {beside} |"
    yield "|---|" + "--:|" * (len(measures) + 1)
    for server in servers:
        cells = [_cell(there.get((server, measure))) for measure in measures]
        ratio = ratio_of(figures, server, beside)
        yield f"| {server} | {' | '.join(cells)} | {'–' if ratio is None else f'{ratio:.2f}'} |"


def beside_of(key: str) -> str:
    """Return the server that the others of a row are compared with."""
    for rows in (WORK, IDLE, PACED):
        if key in rows:
            return rows[key].beside
    return "MCP SDK"


def ratio_of(figures: Sequence[Figure], server: str, beside: str) -> float | None:
    """Return by how much a server needs more than another in one row, by the steadiest measure that both have."""
    found = {(one.server, one.measure): one.value for one in figures}
    for measure in BY_RATIO:
        if (server, measure) in found and (beside, measure) in found:
            return found[server, measure] / found[beside, measure]
    return None


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    number = _number(figure.value)
    return number if figure.median is None else f"{number} / {_number(figure.median)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
