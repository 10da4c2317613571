"""docs/oauth-conformance.md: each clause has a test that exists, and judges are named in the versions that are run."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.interop.environments import version
from tests.processes import ROOT

DOCUMENT: Final = (ROOT / "docs" / "oauth-conformance.md").read_text("utf-8")
TESTS: Final = ROOT / "tests"
CLAUSES: Final = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `([^`|]+)::(\w+)` \|$", DOCUMENT, re.MULTILINE)


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return the names of the tests in a file; none if there is no such file."""
    tree = ast.parse(path.read_text("utf-8") if path.exists() else "")
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, functions) and node.name.startswith("test_"))


def test_every_clause_has_a_test_that_exists() -> None:
    assert [f"{file}::{test}" for *_, file, test in CLAUSES if test not in names_in(TESTS / file)] == []


def test_every_row_of_a_specification_names_a_test() -> None:
    sections = re.split(r"^## ", DOCUMENT, flags=re.MULTILINE)[1:]
    rows = [row for section in sections for row in re.findall(r"^\| (?!clause|---).*$", section, re.MULTILINE)]
    about_specifications = [row for row in rows if "::" in row]
    without_tests = [section for section in sections if "::" not in section]
    assert len(about_specifications) == len(CLAUSES)
    assert [section.splitlines()[0] for section in without_tests] == ["Not offered", "Judges"]


@pytest.mark.parametrize(
    ("package", "pinned"),
    [("@modelcontextprotocol/conformance", "0.2.0-alpha.12"), ("mcp-authlab", version("mcp-authlab", "judges"))],
    ids=["official suite", "mcp-authlab"],
)
def test_judges_are_named_in_the_version_that_is_run(package: str, pinned: str) -> None:
    assert f"`{package}` {pinned}" in DOCUMENT
    assert pinned in (TESTS / "clients" / "package.json").read_text("utf-8") or package == "mcp-authlab"
