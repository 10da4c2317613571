"""What a run finds, and the file that keeps it."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.processes import ROOT

CPU: Final = "CPU µs"
API_CPU: Final = "CPU µs in the ticket API"
INSTRUCTIONS: Final = "thousand instructions"
P50: Final = "ms, p50"
P99: Final = "ms, p99"
MEMORY: Final = "kB a session"
START: Final = "ms until initialized"


@dataclass(frozen=True)
class Figure:
    """One number about one server at one work."""

    row: str
    server: str
    measure: str
    value: float
    """The least of all rounds, if there were several: what the work takes when nothing disturbs it."""
    median: float | None = None
    """Of all rounds."""


@dataclass(frozen=True)
class Run:
    """All figures of one run."""

    date: str
    commit: str
    machine: str
    figures: Sequence[Figure]

    @classmethod
    def of(cls, figures: Iterable[Figure]) -> "Run":
        """Return a run that ends now, on this machine."""
        return cls(f"{datetime.now(UTC):%Y-%m-%d}", _commit(), _machine(), tuple(figures))

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def read(cls, path: Path) -> "Run":
        """Return what `write` wrote."""
        kept = json.loads(path.read_text("utf-8"))
        return cls(kept["date"], kept["commit"], kept["machine"], [Figure(**one) for one in kept["figures"]])


def _commit() -> str:
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )  # fmt: skip
    return said.stdout.strip() or "unknown"


def _machine() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines() if line.startswith("model name")]
    model = names[0].partition(":")[2].strip() if names else platform.machine()
    return f"{os.cpu_count()} cores of {model}, Linux, Python {platform.python_version()}"
