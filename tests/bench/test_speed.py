"""Calls do not become slower unnoticed: instructions beside the MCP SDK's, which no other work disturbs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench import ratios
from bench.lab import Lab
from tests.kills import kills


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with ExitStack() as running:
        yield Lab(tmp_path, running, is_quick=True)


@pytest.mark.long
@pytest.mark.debian("valgrind")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("row", ratios.GUARDED)
def test_a_call_takes_no_more_instructions_beside_the_sdk_than_before(
    row: str, lab: Lab, record_property: Callable[[str, object], None]
) -> None:
    now = ratios.counted(row, lab)

    record_property("figure", f"instructions beside the MCP SDK's, {row}: {now}")
    assert ratios.grown(ratios.kept()[row], now) == [], "if that is meant: python3 run.py bench --write"


@kills("bench/ratios.py", "now[name] > ratio * WORSE", "False")
def test_a_ratio_that_grew_by_more_than_a_fifth_is_a_fault() -> None:
    assert ratios.grown({"ours": 0.5}, {"ours": 0.59}) == []
    assert ratios.grown({"ours": 0.5}, {"ours": 0.61}) == [
        "ours takes 0.61 times the instructions of the server beside it, 0.50 before"
    ]
