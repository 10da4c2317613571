"""The mutation list fits the code, and tests/mutants.py tells a test that notices from one that does not."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest

from tests import mutants

LEAST_ENTRIES: Final = 25

CODE: Final = "def double(number):\n    return number * 2\n"
TESTS: Final = """\
from code_under_test import double

def test_notices():
    assert double(3) == 6

def test_asserts_nothing():
    double(3)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with one function, a test that notices a change and one that does not."""
    (tmp_path / "tests" / "mutations.d").mkdir(parents=True)
    (tmp_path / "code_under_test.py").write_text(CODE, "utf-8")
    (tmp_path / "tests" / "test_code.py").write_text(TESTS, "utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\npythonpath = ['.']\n", "utf-8")
    shutil.copy(mutants.__file__, tmp_path / "tests" / "mutants.py")
    return tmp_path


def entry(name: str, *, old: str = "* 2", new: str = "* 3", test: str = "test_notices") -> str:
    return f"""
[[mutation]]
name = "{name}"
file = "code_under_test.py"
old = "{old}"
new = "{new}"
test = "tests/test_code.py::{test}"
"""


def run(project: Path, *entries: str, only: str = "") -> tuple[int, list[str]]:
    """Run the list over `project`; return the exit code and the lines that were printed."""
    (project / "tests" / "mutations.d" / "all.toml").write_text("".join(entries), "utf-8")
    command = [sys.executable, "tests/mutants.py", *(["--only", only] if only else [])]
    done = subprocess.run(
        command, cwd=project, capture_output=True, encoding="utf-8", timeout=mutants.TEST_TIMEOUT_S, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


def verdicts(lines: list[str]) -> dict[str, str]:
    """Return the verdict by the mutation's name."""
    words = [line.replace(":", "").split() for line in lines]
    return {line[3]: line[0] for line in words if line and line[0] in set(mutants.Verdict)}


def test_killed_is_success_and_leaves_the_checkout_alone(project: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*.py")}

    code, lines = run(
        project, entry("yes-1"), entry("yes-2", old="return ", new="return 0 * "), entry("no"), only="yes"
    )

    assert verdicts(lines) == {"yes-1": "killed", "yes-2": "killed"}
    assert lines[-2:] == ["2 mutations: 2 killed, 0 survived, 0 broken", "2 passed, 0 failed"]
    assert code == 0
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*.py")} == before


def test_a_blind_test_and_a_stale_entry_are_failures(project: Path) -> None:
    code, lines = run(
        project,
        entry("noticed"),
        entry("unnoticed", test="test_asserts_nothing"),
        entry("renamed", old="double", new="triple"),
        entry("gone", old="* 4"),
        entry("ambiguous", old="e"),
        entry("same", new="* 2"),
        entry("not-python", new="* ("),
    )

    assert verdicts(lines) == {
        "noticed": "killed",
        "unnoticed": "survived",
        "renamed": "broken",  # the test module cannot be imported: nothing was asserted
        "gone": "broken",
        "ambiguous": "broken",
        "same": "broken",
        "not-python": "broken",
    }
    said = Counter(word for line in lines for word in set(mutants.Verdict) if line.startswith(f"{word} "))
    assert said == {"killed": 1, "survived": 2, "broken": 10}, "what was not killed is told once more at the end"
    assert lines[-1] == "1 passed, 6 failed"
    assert code == 1


def test_a_test_that_fails_anyway_kills_nothing(project: Path) -> None:
    (project / "code_under_test.py").write_text(CODE.replace("* 2", "* 5"), "utf-8")

    code, lines = run(project, entry("one", old="* 5"))

    assert verdicts(lines) == {}
    assert lines[-1] == "0 passed, 1 failed"
    assert code == 1


def test_many_tests_may_take_longer_than_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before the first change all named tests run together, which takes minutes."""
    waited: list[float] = []

    class Process:
        exitcode = 0

        def __init__(self, **_: object) -> None:
            (tmp_path / "mutants.log").touch()

        def start(self) -> None:
            """Do nothing."""

        def join(self, timeout: float) -> None:
            waited.append(timeout)

    monkeypatch.setattr(mutants, "FORKED", SimpleNamespace(Process=Process))
    for tests in (1, 200):
        mutants.run_tests(tmp_path, ["test"] * tests)

    assert waited[0] < waited[1]
    assert waited[1] >= 200 * mutants.TEST_TIMEOUT_S


def test_a_filter_that_fits_nothing_is_refused(project: Path) -> None:
    code, _ = run(project, entry("first"), only="third")

    assert code == 2


def test_the_list_is_long_enough_and_names_are_unique() -> None:
    names = Counter(mutation.name for mutation in mutants.load(mutants.ROOT))

    assert [name for name, times in names.items() if times > 1] == []
    assert len(names) >= LEAST_ENTRIES


def test_every_entry_fits_the_code_and_names_a_test_that_exists() -> None:
    """Whether the test notices is for `run.py mutants`; that the entry is not stale is seen here, at once."""
    for mutation in mutants.load(mutants.ROOT):
        mutants.mutated((mutants.ROOT / mutation.file).read_text("utf-8"), mutation)
        file, *names = mutation.test.split("::")
        source = (mutants.ROOT / file).read_text("utf-8")
        for name in names:
            assert f"{name.partition('[')[0]}" in source, f"{mutation.name}: {mutation.test} does not exist"
