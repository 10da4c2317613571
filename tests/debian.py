"""Tests that need programs from Debian packages, not from wheels: `@pytest.mark.debian("nginx", "caddy")`.

If a program is missing, its tests are skipped and listed with the reason at the end of the run. In CI they fail.
"""

import os
import shutil
from types import MappingProxyType
from typing import Final, NoReturn

import pytest

PACKAGES: Final = MappingProxyType({
    "nginx": "nginx-light", "caddy": "caddy", "chromium": "chromium", "curl": "curl", "valgrind": "valgrind",
    "prometheus": "prometheus", "promtool": "prometheus", "buildah": "buildah", "debootstrap": "debootstrap",
})  # fmt: skip
"""The package of each program; .ci/run installs them."""
_NOT_RUN: Final = "not run: "


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "debian(*programs): needs programs from Debian packages")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or in CI fail, a test whose programs are missing."""
    programs = [program for marker in item.iter_markers("debian") for program in marker.args]
    missing = [PACKAGES[program] for program in programs if shutil.which(program, path=search_path()) is None]
    if not missing:
        return
    not_run(f"it needs `apt-get install {' '.join(missing)}`")


def not_run(reason: str) -> NoReturn:
    """Skip this test and list it with the reason; in CI, fail."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(_NOT_RUN + reason)


def search_path() -> str:
    """Return the search path for programs, including sbin, which not every PATH has."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"))


def program(name: str) -> str:
    """Return the path of a program that the marker found."""
    path = shutil.which(name, path=search_path())
    assert path is not None
    return path


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the tests that did not run."""
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple) and _NOT_RUN in report.longrepr[2]:
            terminalreporter.line(f"{report.nodeid}: {report.longrepr[2]}")
