"""Collects log lines in place of writing them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import pytest

from shared import telemetry

_LEFT_OUT: Final = {"time", "logger", telemetry.LOCATION}


class _Lines(telemetry.LogOutput):
    def __init__(self) -> None:
        super().__init__()
        self.level = 0
        self.lines: list[dict[str, Any]] = []

    def write(self, line: Mapping[str, object]) -> None:
        self.lines.append({name: value for name, value in line.items() if name not in _LEFT_OUT})


@contextmanager
def capture_logs() -> Iterator[list[dict[str, Any]]]:
    """Give the lines that this program writes meanwhile, at any level, with the fields of their context."""
    output = _Lines()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(telemetry, "_output", output)
        yield output.lines
