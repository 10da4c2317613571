"""Fixtures and settings for every test."""

from collections.abc import Iterator

import hypothesis
import pytest
import structlog

# By default structlog prints the local variables of every frame in a traceback, which takes seconds.
_PLAIN = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _PLAIN])

# The same examples in every run, so that a failure can be reproduced. No deadline: machines differ.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")

pytest_plugins = [
    "tests.databases",
    "tests.debian",
    "tests.hidden",
    "tests.javascript",
    "tests.seconds",
    "tests.valkey",
]


_LONGEST_ID = 100


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long values by their length: workers send the ids of all tests to each other, and a body may have 4 MiB."""
    if isinstance(val, str | bytes) and len(val) > _LONGEST_ID:
        return f"{argname} of {len(val)}"
    return None


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """Restore the logging configuration after a test that changes it."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
