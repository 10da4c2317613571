"""Report at the end of a run where its time went, and which tests it left out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import pytest


def by_folder(reports: Iterable[object]) -> Mapping[str, float]:
    """Return the seconds of all set-ups, calls and teardowns by folder of the test, longest first."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for report in reports:
        if isinstance(report, pytest.TestReport):
            file = report.nodeid.partition("::")[0]
            seconds[file.rpartition("/")[0]] += report.duration
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the report above the last line."""
    terminalreporter.section("seconds by folder, all workers together")
    for folder, seconds in by_folder(one for some in terminalreporter.stats.values() for one in some).items():
        terminalreporter.line(f"{seconds:7.1f}  {folder}")
    if config.getoption("markexpr") == "not long":
        terminalreporter.line("not run: the tests marked `long`; `python3 run.py test --long` runs them")
