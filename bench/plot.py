"""The plot of docs/performance.md: bars of processor time, a panel for each row, as plain SVG."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from bench.figures import CPU, Figure, Run
from bench.measures import TITLES

SHOWN: Final = ("sse", "session", "modern", "whole-session", "list")
WIDTH: Final = 860
BARS_AT: Final = 290
"""Where bars begin; names stand before."""
LONGEST: Final = WIDTH - BARS_AT - 90
LINE: Final = 24
HEAD: Final = 40
"""Height of a panel's title."""
OURS: Final = "#0b6bcb"
OTHERS: Final = "#a3acb8"
STYLE: Final = "text{font:13px system-ui,sans-serif;fill:#1f2933}.t{font-weight:600}.n{text-anchor:end}"


def plot(run: Run) -> str:
    """Return the SVG."""
    panels = [(key, [one for one in run.figures if (one.row, one.measure) == (key, CPU)]) for key in SHOWN]
    drawn: list[str] = []
    top = 10
    for key, figures in panels:
        if figures:
            drawn += _panel(TITLES[key], figures, top)
            top += HEAD + LINE * len(figures)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 10}" role="img">',
        "<title>Processor time of each server for one unit of work, in microseconds</title>",
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>',
        *drawn,
        "</svg>\n",
    ])  # fmt: skip


def _panel(title: str, figures: Sequence[Figure], top: int) -> Iterator[str]:
    yield f'<text class="t" x="10" y="{top + 22}">{escape(title.replace("`", ""))}: µs of processor time</text>'
    most = max(one.value for one in figures)
    for place, one in enumerate(figures):
        y = top + HEAD - 8 + place * LINE
        length = max(1, round(LONGEST * one.value / most))
        colour = OURS if one.server.startswith("this server") else OTHERS
        yield f'<text class="n" x="{BARS_AT - 8}" y="{y + 14}">{escape(one.server)}</text>'
        yield f'<rect x="{BARS_AT}" y="{y}" width="{length}" height="18" rx="2" fill="{colour}"/>'
        yield f'<text x="{BARS_AT + length + 6}" y="{y + 14}">{one.value:,.0f}</text>'
