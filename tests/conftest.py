"""What every test may use."""

from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ["tests.databases", "tests.hidden", "tests.javascript", "tests.seconds", "tests.valkey"]


@pytest.fixture(autouse=True)
def _logs_as_nobody_configured_them() -> Iterator[None]:
    """A test that configures logs, or runs what does, does so for itself alone."""
    yield
    structlog.reset_defaults()
