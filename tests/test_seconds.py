"""The report at the end of a test run, from a real run over two small folders."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, environment

TEST = "def test_it():\n    pass\n"
TIMED = """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    report.duration = 0.1 if report.when == "setup" and "slow" in item.nodeid else 0.01
    return report
"""
"""In place of what the machine takes: the set-up of one test takes longest."""


@pytest.mark.parametrize("only", [None, "not long"])
def test_a_run_says_where_its_time_went_and_what_it_left_out(tmp_path: Path, only: str | None) -> None:
    for folder in ("quick", "slow"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test_one.py").write_text(TEST, "utf-8")
    (tmp_path / "conftest.py").write_text(TIMED, "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib -p no:cacheprovider\n", "utf-8")
    options = ["-m", only] if only else []

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.seconds", *options],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(ROOT), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert done.returncode == 0, done.stdout
    lines = re.findall(r"^ +(\d+\.\d)  (\w+)$", done.stdout, re.MULTILINE)
    assert lines == [("0.1", "slow"), ("0.0", "quick")], "the time of a fixture counts, too"
    assert ("not run: the tests marked `long`" in done.stdout) is (only == "not long")
