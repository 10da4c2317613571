"""Fails tests that leak keys: nothing that a test, or a program it started, writes may contain one.

Keys of tests are recognised by value, generated keys by form. A report never repeats a key it found.
"""

import re
from collections.abc import Generator
from typing import Final

import pytest

from tests.processes import API_KEY, IDENTITY_KEY, KEY, OPERATOR_KEY, said_lately

SECRET: Final = re.compile(
    "|".join((
        *map(re.escape, (KEY, OPERATOR_KEY, API_KEY, IDENTITY_KEY)),
        r"tkt_(?:live|test)_[0-9A-Za-z]{8}_[0-9A-Za-z]{20,}",  # auth/store/key_format.py
        r"tapi_[0-9A-Za-z_-]{20,}",  # ticket_api
    ))
)  # fmt: skip


def secrets_in(text: str) -> list[str]:
    """Return the beginning of each secret in `text`."""
    return [f"{found[0][:10]}…" for found in SECRET.finditer(text)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test if its captured output or log, or a program that has ended since, shows a key."""
    report = yield
    written = [(name, text) for name, text in report.sections if name.endswith(report.when or "")]
    written += [("a program", said_lately.popleft()) for _ in range(len(said_lately))]
    shown = [(name, found) for name, text in written if (found := secrets_in(text))]
    report.sections = [(name, text) for name, text in report.sections if not secrets_in(text)]
    if shown:
        report.outcome = "failed"
        report.longrepr = f"Keys were written to output or logs: {shown}"
    return report
