"""Fixtures and settings for every test."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from shared import telemetry

# The same examples in every run, so that a failure can be reproduced. No deadline: machines differ.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")

pytest_plugins = [
    "tests.databases",
    "tests.debian",
    "tests.figures",
    "tests.hidden",
    "tests.javascript",
    "tests.releases",
    "tests.seconds",
    "tests.valkey",
]


_LONGEST_ID = 100
_SLOW_TO_COLLECT = "test_openapi_fuzz.py"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a file of long tests that takes seconds to collect, in every worker, in a run without long tests."""
    return True if collection_path.name == _SLOW_TO_COLLECT and config.getoption("markexpr") == "not long" else None


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long values by their length: workers send the ids of all tests to each other, and a body may have 4 MiB."""
    if isinstance(val, str | bytes) and len(val) > _LONGEST_ID:
        return f"{argname} of {len(val)}"
    return None


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """Restore the logging configuration after a test that changes it."""
    output = telemetry._output
    before = vars(output).copy()
    yield
    vars(output).update(before)
