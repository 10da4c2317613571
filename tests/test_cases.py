"""tests/cases.toml lists the tests for each case found in use: they must exist, and no case may be missing."""

import re
import tomllib
from typing import Any, Final

import pytest

from tests.processes import ROOT
from tests.test_promises import names_in

TABLE: Final[dict[str, dict[str, Any]]] = tomllib.loads((ROOT / "tests" / "cases.toml").read_text(encoding="utf-8"))
CLIENTS: Final = (*(f"C{number}" for number in range(1, 14)), "W1", "W2", "W3")
CASES: Final = frozenset({
    *(f"A{number}" for number in range(1, 16)),
    *(f"T{number}" for number in range(1, 26)),
    *(f"U{number}" for number in range(1, 14)),
    *(f"D{number}" for number in range(1, 30)),
    *CLIENTS,
})  # fmt: skip
SERIOUS: Final = frozenset({
    *(f"A{number}" for number in range(1, 9)),
    *(f"U{number}" for number in range(1, 12)),
    *("T1", "T2", "T3", "T4", "T6", "T9", "T10", "T11", "T12", "T15", "T17", "T18", "T19", "T20", "T21", "T22", "T25"),
    *("D1", "D2", "D3", "D5", "D6", "D11", "D12", "D14", "D15", "D17", "D21"),
    *CLIENTS,
})  # fmt: skip
AT_LEAST: Final = 4
"""A serious case and three related ones: other fields, transports, tools, databases, code points."""
NAMED: Final = sorted({test for row in TABLE.values() for test in row["tests"]})


def test_every_case_is_in_the_table() -> None:
    assert set(TABLE) == CASES
    assert [case for case, row in TABLE.items() if set(row) != {"title", "tests"} or not row["tests"]] == []


@pytest.mark.parametrize("named", NAMED)
def test_what_is_said_to_test_a_case_exists(named: str) -> None:
    place = re.fullmatch(r"(tests/[\w/]+\.py)::(\w+)", named)
    assert place is not None
    assert place[2] in names_in(place[1])


def test_serious_cases_are_tested_with_their_neighbours() -> None:
    few = {case: len(set(TABLE[case]["tests"])) for case in SERIOUS if len(set(TABLE[case]["tests"])) < AT_LEAST}

    assert few == {}
