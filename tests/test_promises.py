"""docs/sessions.md lists the tests of each promise: they must exist, and one of them must have a mutation."""

import ast
import re
from typing import Final

import pytest

from tests import mutants
from tests.processes import ROOT

TEXT: Final = (ROOT / "docs" / "sessions.md").read_text(encoding="utf-8")
PROMISED: Final = re.findall(r"^\| (S\d+) \| (?!`tests/)", TEXT, re.MULTILINE)
PROVED: Final = dict(re.findall(r"^\| (S\d+) \| (`tests/.*`) \|$", TEXT, re.MULTILINE))


def names_in(file: str) -> set[str]:
    """Return the names of the tests in a file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.walk(tree) if isinstance(node, functions) and node.name.startswith("test_")}


def test_every_promise_is_in_the_table_of_its_tests() -> None:
    assert sorted(PROMISED) == sorted(PROVED)
    assert {f"S{number}" for number in range(1, 16)} <= set(PROVED)


@pytest.mark.parametrize("promise", sorted(PROVED))
def test_what_is_said_to_test_a_promise_exists(promise: str) -> None:
    tests = PROVED[promise]
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests)
    assert len(named) == tests.count("`") // 2 >= 1
    assert [(file, test) for file, test in named if test not in names_in(file)] == []


def test_of_each_promise_a_test_is_known_to_fail_when_the_code_is_broken() -> None:
    guarded = {mutation.test.rpartition("::")[2] for mutation in mutants.load(mutants.ROOT)}

    assert [promise for promise, tests in PROVED.items() if not guarded & set(re.findall(r"::(\w+)`", tests))] == []
