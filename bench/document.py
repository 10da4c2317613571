"""docs/performance.md: its tables, its plot and the figures behind them, written from one run."""

from typing import Final

from bench.figures import Run
from bench.plot import plot
from bench.ratios import rewrite_ratios
from bench.report import report
from tests.processes import ROOT

DOCUMENT: Final = ROOT / "docs" / "performance.md"
PLOT: Final = DOCUMENT.with_suffix(".svg")
FIGURES: Final = DOCUMENT.with_suffix(".json")
BEGIN: Final = "<!-- bench: python3 run.py bench --write -->\n"
END: Final = "<!-- /bench -->"


def rewrite(run: Run) -> None:
    """Write everything that a run has found."""
    run.write(FIGURES)
    PLOT.write_text(plot(run), "utf-8")
    DOCUMENT.write_text(written(DOCUMENT.read_text("utf-8"), run), "utf-8")
    rewrite_ratios(run)


def written(document: str, run: Run) -> str:
    """Return the document with the tables of a run."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    about = f"Measured {run.date} at commit {run.commit}: {run.machine}.\n"
    return f"{before}{BEGIN}{about}{report(run)}\n{END}{after}"
