"""`run.py bench` refuses what it cannot do, and measures what it is asked for."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bench import cpu, others
from bench.figures import API_CPU, CPU, MEMORY, P50, P99
from bench.lab import Lab
from bench.rows import APART, BASELINE, CEILING, IDLE, PACED, SDK, WORK
from tests.processes import ROOT, environment


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command."""
    program = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(
        program, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, timeout=60
    )  # fmt: skip


def test_an_unknown_row_is_refused_with_the_list_of_rows() -> None:
    ran = bench("sse", "sessions")

    assert ran.returncode == 1
    assert "there are no rows sessions. The rows are: sse, session, modern, tools, whole-session," in ran.stderr


@pytest.mark.parametrize("less", ["sse", "--quick"])
def test_the_document_is_not_rewritten_from_a_part(less: str) -> None:
    ran = bench("--write", less)

    assert ran.returncode == 1
    assert ran.stderr.endswith("`--write` needs a run of all rows, without `--quick`.\n")


def test_figures_are_shown_again_and_a_missing_row_is_named(tmp_path: Path) -> None:
    kept = tmp_path / "run.json"
    figure = {"row": "sse", "server": "MCP SDK", "measure": CPU, "value": 1, "median": None}
    kept.write_text(json.dumps({"date": "", "commit": "", "machine": "", "figures": [figure]}), "utf-8")

    ran = bench("--figures", str(kept), "sse", "session")

    assert "| MCP SDK | 1.0 | 1.00 |" in ran.stdout
    assert ran.stderr.endswith("not measured: session\n")
    assert ran.returncode == 1


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with ExitStack() as running:
        yield Lab(tmp_path, running, is_quick=True)


@pytest.mark.long
def test_processor_time_is_that_of_each_server(lab: Lab) -> None:
    row = replace(WORK["sse"].only(CEILING, SDK), sessions=2)

    figures = {one.server: one.value for one in cpu.measure("sse", row, lab, rounds=2)}

    assert figures[SDK] > 2 * figures[CEILING] > 0


@pytest.mark.long
def test_processor_time_of_the_ticket_api_stands_beside_that_of_the_server(lab: Lab) -> None:
    row = replace(WORK["create"].only(APART, BASELINE), sessions=2)

    figures = cpu.measure("create", row, lab, rounds=1)

    assert [(one.server, one.measure) for one in figures] == [
        (name, measure) for name in (APART, BASELINE) for measure in (CPU, API_CPU)
    ]
    assert min(one.value for one in figures) > 0


@pytest.mark.long
def test_memory_and_latency_are_measured(lab: Lab) -> None:
    (memory,) = others.memory("memory-sse", IDLE["memory-sse"].only(SDK), lab)
    p50, p99 = others.latency("latency-sse", PACED["latency-sse"].only(SDK), lab)

    assert (memory.measure, p50.measure, p99.measure) == (MEMORY, P50, P99)
    assert memory.value > 0
    assert 0 < p50.value <= p99.value
