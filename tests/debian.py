"""Tests that need programs which come from Debian and not from a wheel: `@pytest.mark.debian("nginx", "caddy")`.

Where a program is missing such a test is not run, and the end of the run names it with the reason. In CI it fails.
"""

import os
import shutil
from types import MappingProxyType
from typing import Final

import pytest

PACKAGES: Final = MappingProxyType({"nginx": "nginx-light", "caddy": "caddy"})
"""The package of each program; .ci/run installs them."""
_NOT_RUN: Final = "not run: "


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "debian(*programs): needs programs that come from Debian")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out, or in CI fail, a test whose programs are missing."""
    programs = [program for marker in item.iter_markers("debian") for program in marker.args]
    missing = [PACKAGES[program] for program in programs if shutil.which(program, path=search_path()) is None]
    if not missing:
        return
    reason = f"it needs `apt-get install {' '.join(missing)}`"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(_NOT_RUN + reason)


def search_path() -> str:
    """Return where programs are looked for; servers are in sbin, which not every PATH has."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"))


def program(name: str) -> str:
    """Return the path of a program that the marker has found."""
    path = shutil.which(name, path=search_path())
    assert path is not None
    return path


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every test that was not run."""
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple) and _NOT_RUN in report.longrepr[2]:
            terminalreporter.line(f"{report.nodeid}: {report.longrepr[2]}")
