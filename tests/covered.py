"""Measure the branch coverage of the tests that `run.py test` runs: `python -m tests.covered`.

Whether they pass is the verdict of that run: traced, they take half as long again. Prints the report; exit code 0 if
the coverage is high enough (pyproject.toml).
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

TESTS: Final = ("-q", "--dist=loadgroup", "-n", "4", "-m", "not long")


def main() -> int:
    """Trace the tests of the current folder, and report; return the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        env = dict(os.environ, COVERAGE_FILE=str(Path(scratch, "coverage")))
        pytest = [sys.executable, "-m", "pytest", "-o", f"cache_dir={scratch}", *TESTS, "--cov", "--cov-report="]
        subprocess.run(pytest, env=env, check=False)
        return subprocess.run([sys.executable, "-m", "coverage", "report"], env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
