"""A test whose program is not installed is named at the end of the run, and fails in CI."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.debian import PACKAGES
from tests.processes import ROOT, environment

NEEDING: Final = """
import pytest

@pytest.mark.debian("nginx")
def test_needs_one():
    raise AssertionError("it must not run")

def test_needs_none():
    pass
"""


def run(folder: Path, **variables: str) -> str:
    """Run two tests where no program can be found, and return the output."""
    file = folder / "test_needing.py"
    file.write_text(NEEDING.replace("nginx", "no-such-program"), "utf-8")
    plugin = folder / "with_one_more.py"
    plugin.write_text("from tests import debian\ndebian.PACKAGES = {'no-such-program': 'its-package'}\n", "utf-8")
    options = ("-q", "--no-cov", "-p", "tests.debian", "-p", "with_one_more", "-p", "no:cacheprovider")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(file)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        env={**{name: value for name, value in environment().items() if name != "CI"}, "PYTHONPATH": str(folder)}
        | variables,
    )  # fmt: skip
    return ran.stdout


def test_what_was_not_run_is_named_at_the_end_with_the_reason(tmp_path: Path) -> None:
    said = run(tmp_path)

    assert "1 passed, 1 skipped" in said
    assert "test_needing.py::test_needs_one: Skipped: not run: it needs `apt-get install its-package`" in said


def test_in_ci_a_missing_program_is_a_failure(tmp_path: Path) -> None:
    said = run(tmp_path, CI="true")

    assert "1 passed, 1 error" in said
    assert "it needs `apt-get install its-package`" in said


@pytest.mark.parametrize("package", PACKAGES.values())
def test_ci_installs_every_package(package: str) -> None:
    steps = (ROOT / ".ci" / "run").read_text("utf-8")

    assert package in steps.partition("programs=(")[2].partition(")")[0].split()
    assert steps.index("apt-get install") < steps.index("run.py test")
    assert "export CI=" in steps
