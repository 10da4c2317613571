"""What every test may use."""

from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ["tests.databases", "tests.hidden", "tests.javascript", "tests.seconds", "tests.valkey"]


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A test that configures logs, or runs what does, does so for itself alone."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
