"""What every test may use."""

from collections.abc import Iterator

import hypothesis
import pytest
import structlog

# By default structlog paints tracebacks with everybody's variables, which takes seconds.
_PLAIN = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _PLAIN])

# The same examples in every run: what fails can be repeated. How long one takes is the machine's matter.
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


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A test that configures logs, or runs what does, does so for itself alone."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
