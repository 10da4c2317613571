"""docs/sessions.md says where each promise is tested: the tests and mutations that it names have to exist."""

import ast
import re
import tomllib
from typing import Final

import pytest

from tests.processes import ROOT

TEXT: Final = (ROOT / "docs" / "sessions.md").read_text(encoding="utf-8")
PROMISED: Final = re.findall(r"^\| (S\d+) \| (?!`tests/)", TEXT, re.MULTILINE)
PROVED: Final = {
    name: (tests, mutations)
    for name, tests, mutations in re.findall(r"^\| (S\d+) \| (`tests/.*) \| (`.*) \|$", TEXT, re.MULTILINE)
}


def names_in(file: str) -> set[str]:
    """Return the names of the tests in a file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.walk(tree) if isinstance(node, functions) and node.name.startswith("test_")}


def mutations() -> set[str]:
    """Return the names of all mutations."""
    files = (ROOT / "tests" / "mutations.d").glob("*.toml")
    return {entry["name"] for file in files for entry in tomllib.loads(file.read_text(encoding="utf-8"))["mutation"]}


def test_every_promise_is_in_the_table_of_its_tests() -> None:
    assert sorted(PROMISED) == sorted(PROVED)
    assert {f"S{number}" for number in range(1, 14)} <= set(PROVED)


@pytest.mark.parametrize("promise", sorted(PROVED))
def test_what_is_said_to_test_a_promise_exists(promise: str) -> None:
    tests, changes = PROVED[promise]
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests)
    assert len(named) == tests.count("`") // 2 >= 1
    assert [(file, test) for file, test in named if test not in names_in(file)] == []
    assert set(re.findall(r"`([^`]+)`", changes)) <= mutations()
