"""docs/performance.md shows what a run has found, and the tables compare the right figures."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from bench.document import DOCUMENT, FIGURES, PLOT, written
from bench.figures import CPU, INSTRUCTIONS, Figure, Run
from bench.measures import TITLES
from bench.plot import plot
from bench.ratios import GUARDED, kept
from bench.report import ratio_of, report
from bench.rows import IDLE, PACED, WORK

OURS: Final = Figure("sse", "this server", CPU, 300, 310)
SDK: Final = Figure("sse", "MCP SDK", CPU, 600, 620)
BOTH: Final = [OURS, SDK]


def run(figures: Sequence[Figure]) -> Run:
    return Run("2026-11-29", "abc", "a machine", figures)


def test_the_document_has_the_tables_and_the_plot_of_the_run_that_is_kept() -> None:
    ran, document = Run.read(FIGURES), DOCUMENT.read_text("utf-8")

    assert document == written(document, ran), "python3 run.py bench --figures docs/performance.json --write"
    assert PLOT.read_text("utf-8") == plot(ran)


def test_every_row_was_measured() -> None:
    assert {figure.row for figure in Run.read(FIGURES).figures} == set(TITLES)


def test_every_guarded_server_has_a_ratio() -> None:
    assert {row: set(servers) for row, servers in kept().items()} == {
        row: set(servers[1:]) for row, servers in GUARDED.items()
    }


def test_the_server_that_others_are_compared_with_is_in_its_row() -> None:
    rows = [row for table in (WORK, IDLE, PACED) for row in table.values()]

    assert [row.title for row in rows if row.beside not in {one.name for one in row.contenders}] == []


def test_a_table_has_least_and_median_and_the_ratio_to_the_reference() -> None:
    lines = report(run(BOTH)).splitlines()

    assert lines[1] == "**One call over HTTP+SSE** (`sse`)"
    assert lines[3:] == [
        "| server | CPU µs | × MCP SDK |",
        "|---|--:|--:|",
        "| this server | 300 / 310 | 0.50 |",
        "| MCP SDK | 600 / 620 | 1.00 |",
    ]


def test_instructions_decide_where_both_have_them() -> None:
    ours, sdk = (replace(one, measure=INSTRUCTIONS, value=value) for one, value in ((OURS, 400), (SDK, 1000)))

    assert ratio_of([*BOTH, ours, sdk], "this server", "MCP SDK") == 0.4
    assert ratio_of([*BOTH, ours], "this server", "MCP SDK") == 0.5
    assert ratio_of([ours, SDK], "this server", "MCP SDK") is None


def test_the_plot_has_a_bar_for_each_server() -> None:
    drawn = ET.fromstring(plot(run(BOTH)))  # noqa: S314 - made here

    bars = drawn.findall("{http://www.w3.org/2000/svg}rect")[1:]
    assert float(bars[1].attrib["width"]) / float(bars[0].attrib["width"]) == 2


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run(BOTH).write(tmp_path / "run.json")

    assert Run.read(tmp_path / "run.json") == run(BOTH)
