"""The mutations fit the code, and tests/mutants.py distinguishes tests that detect them from tests that do not."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest

from tests import kills, mutants

MOST: Final = 330
"""All are tried within 8 minutes on two cores, and a change to a mutated line must change the mutation."""
MOST_ABOVE_ONE_TEST: Final = 2

CODE: Final = "def double(number):\n    return number * 2\n"
TEST: Final = """
@kills("code_under_test.py", "{old}", "{new}")
def test_{name}():
    {body}
"""
HANGS: Final = """\
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # so that pytest-timeout cannot end it
    if double(3) != 6:
        signal.pause()"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with one function."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "code_under_test.py").write_text(CODE, "utf-8")
    (tmp_path / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\npythonpath = ['.']\naddopts = ['--import-mode=importlib']\n", "utf-8"
    )
    shutil.copy(str(kills.__file__), tmp_path / "tests")
    program, preloaded = re.subn(r'    \*\("[^)]*"\),\n', "", Path(mutants.__file__).read_text("utf-8"))
    assert preloaded == 2, "what one function needs none of, and what takes seconds"
    (tmp_path / "tests" / "mutants.py").write_text(program, "utf-8")
    return tmp_path


def one(name: str, body: str = "assert double(3) == 6", *, old: str = "* 2", new: str = "* 3") -> str:
    return TEST.format(name=name, body=body, old=old, new=new)


def run(project: Path, *tests: str, only: str = "") -> tuple[int, list[str]]:
    """Try the mutations above `tests`; return the exit code and the printed lines."""
    head = "import os, signal\nfrom code_under_test import double\nfrom tests.kills import kills\n"
    (project / "tests" / "test_code.py").write_text(head + "".join(tests), "utf-8")
    command = [sys.executable, "tests/mutants.py", *(["--only", only] if only else [])]
    done = subprocess.run(
        command, cwd=project, capture_output=True, encoding="utf-8", timeout=mutants.TEST_TIMEOUT_S, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


def code_of(project: Path) -> dict[Path, int]:
    """Return when each file was last written."""
    return {path: path.stat().st_mtime_ns for path in project.glob("*.py")}


def verdicts(lines: list[str]) -> dict[str, str]:
    """Return the verdicts by name of the test."""
    words = [line.split() for line in lines]
    return {word[3].partition("::test_")[2]: word[0] for word in words if word and word[0] in set(mutants.Verdict)}


def test_killed_is_success_and_leaves_the_checkout_alone(project: Path) -> None:
    before = code_of(project)

    code, lines = run(
        project, one("yes_1"), one("yes_2", old="return ", new="return 0 * "), one("no", "double(3)"), only="yes"
    )

    assert verdicts(lines) == {"yes_1": "killed", "yes_2": "killed"}
    assert lines[-2:] == ["2 mutations: 2 killed, 0 survived, 0 broken", "2 passed, 0 failed"]
    assert code == 0
    assert code_of(project) == before


def test_a_blind_test_and_a_stale_mutation_are_failures(project: Path) -> None:
    code, lines = run(
        project,
        one("notices"),
        one("asserts_nothing", "double(3)"),
        one("renamed", old="double", new="triple"),
        one("gone", old="* 4"),
        one("ambiguous", old="e"),
        one("same", new="* 2"),
        one("not_python", new="* ("),
        one("fails_anyway", "assert double(3) == 7"),
    )

    assert verdicts(lines) == {
        "notices": "killed",
        "asserts_nothing": "survived",
        "renamed": "broken",  # the test module cannot be imported, so nothing was asserted
        "gone": "broken",
        "ambiguous": "broken",
        "same": "broken",
        "not_python": "broken",
        "fails_anyway": "broken",
    }
    printed = Counter(word for line in lines for word in set(mutants.Verdict) if line.startswith(f"{word} "))
    assert printed == {"killed": 1, "survived": 2, "broken": 12}, "the end repeats those not killed"
    assert lines[-1] == "1 passed, 7 failed"
    assert code == 1


def test_the_report_of_the_test_decides_and_not_how_its_process_ends(project: Path) -> None:
    (project / "conftest.py").write_text("import os\ndef pytest_unconfigure():\n    os._exit(255)\n", "utf-8")

    _, lines = run(
        project,
        one("notices"),
        one("asserts_nothing", "double(3)"),
        one("ends_its_process", "if double(3) != 6: os._exit(1)"),
    )

    assert verdicts(lines) == {"notices": "killed", "asserts_nothing": "survived", "ends_its_process": "broken"}


@pytest.mark.skipif(sys.platform == "win32", reason="signals cannot be blocked there")
def test_a_change_that_makes_its_test_hang_is_killed(project: Path) -> None:
    program = project / "tests" / "mutants.py"
    program.write_text(program.read_text("utf-8").replace("HANGS_S: Final = 10", "HANGS_S: Final = 2"))

    _, lines = run(project, one("hangs", HANGS))

    assert verdicts(lines) == {"hangs": "killed"}


def test_many_tests_may_take_longer_than_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before the first change all named tests run in one process, which takes minutes."""
    waited: list[float] = []

    class Process:
        def __init__(self, **_: object) -> None:
            (tmp_path / "mutants.log").touch()

        def start(self) -> None:
            """Do nothing."""

        def join(self, timeout: float) -> None:
            waited.append(timeout)

        def is_alive(self) -> bool:
            return False

    monkeypatch.setattr(mutants, "FORKED", SimpleNamespace(Process=Process))
    for tests in (1, 200):
        mutants.run_tests(tmp_path, ["test"] * tests)

    assert waited[0] < waited[1]
    assert waited[1] >= 200 * mutants.TEST_TIMEOUT_S


def test_a_filter_fits_tests_and_changed_files() -> None:
    one = mutants.Mutation("tests/test_a.py::test_b", "folder/c.py", "old", "new")

    assert [mutants.of_name([one], name) for name in ("a.py::test", "r/c", "new")] == [[one], [one], []]


def test_a_filter_that_fits_nothing_is_refused(project: Path) -> None:
    code, _ = run(project, only="third")

    assert code == 2


def test_mutations_are_found_in_classes_and_above_async_tests_without_an_import(tmp_path: Path) -> None:
    (tmp_path / "tests" / "deeper").mkdir(parents=True)
    (tmp_path / "tests" / "deeper" / "test_it.py").write_text(
        "import a_module_that_does_not_exist\n"
        "class TestA:\n    @kills('f.lua', 'old', 'new')\n    @other\n    @kills('f.toml', '\\n', '')\n"
        "    async def test_b(self): pass\n",
        "utf-8",
    )

    test = "tests/deeper/test_it.py::TestA::test_b"
    assert mutants.load(tmp_path) == [
        mutants.Mutation(test, "f.lua", "old", "new"),
        mutants.Mutation(test, "f.toml", "\n", ""),
    ]


def test_they_are_few() -> None:
    by_test = Counter(mutation.test for mutation in mutants.load(mutants.ROOT))

    assert 0 < by_test.total() <= MOST
    assert [test for test, number in by_test.items() if number > MOST_ABOVE_ONE_TEST] == []


def test_every_change_fits_the_code_once() -> None:
    """Whether the test detects a change is for `run.py mutants`; here a stale `old` is found immediately."""
    for mutation in mutants.load(mutants.ROOT):
        mutants.mutated((mutants.ROOT / mutation.file).read_text("utf-8"), mutation)
