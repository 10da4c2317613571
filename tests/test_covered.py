"""Coverage is judged by itself: not by the tests that failed, and not by data of another run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

SETTINGS = """
[tool.pytest.ini_options]
addopts = "-p no:valkey -p no:schemathesis"
markers = ["long"]
[tool.coverage.run]
branch = true
source = ["half"]
[tool.coverage.report]
fail_under = {}
"""
HALF = "def double(number):\n    return 2 * number\n\n\ndef never():\n    return 1\n"
TESTS = "import half\n\n\ndef test_one():\n    assert half.double(1) == 3\n"


@pytest.mark.long
@pytest.mark.parametrize(("least", "code"), [(75, 0), (76, 2)])
def test_enough_coverage_passes_although_a_test_fails(tmp_path: Path, least: int, code: int) -> None:
    for name, text in {"pyproject.toml": SETTINGS.format(least), "half.py": HALF, "test_half.py": TESTS}.items():
        (tmp_path / name).write_text(text, "utf-8")
    env = dict(os.environ, PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}", PYTHONDONTWRITEBYTECODE="1")

    ran = subprocess.run(
        [sys.executable, "-m", "tests.covered"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )

    assert "1 failed" in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith(("TOTAL", "Coverage failure")), ran.stdout
    assert ran.returncode == code
    assert sorted(one.name for one in tmp_path.iterdir()) == ["half.py", "pyproject.toml", "test_half.py"]
