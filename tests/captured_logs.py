"""Collects log lines in place of writing them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from shared import telemetry


class _Lines(telemetry.LogOutput):
    def __init__(self) -> None:
        super().__init__()
        self.level = 0
        self.lines: list[dict[str, Any]] = []

    def write(self, line: Mapping[str, object]) -> None:
        self.lines.append({name: value for name, value in line.items() if name not in {"time", "logger"}})


@contextmanager
def capture_logs() -> Iterator[list[dict[str, Any]]]:
    """Give the lines that this program writes meanwhile, at any level, with the fields of their context."""
    output = _Lines()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(telemetry, "_output", output)
        yield output.lines
