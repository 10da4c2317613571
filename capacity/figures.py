"""The figures that everything here is computed from, read from `figures.toml` and `prices.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).resolve().parent
KINDS: Final = ("list", "detail", "create")
"""Of calls."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A size in which a service can be bought."""

    name: str
    vcpu: float
    month: float
    """Dollars."""
    connections: int = 0
    gb: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Costs, assumptions and limits, by the names in `figures.toml`."""

    workload: Mapping[str, float]
    server: Mapping[str, float]
    ticket_api: Mapping[str, float]
    postgresql: Mapping[str, float]
    valkey: Mapping[str, float]
    limits: Mapping[str, float]

    def a_call(self, of: Mapping[str, float]) -> float:
        """Return the cost of a call in the mix of the workload, in milliseconds of CPU."""
        return sum(self.workload[kind] * of[kind] for kind in KINDS)


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices in dollars."""

    yen: float
    run: Mapping[str, float]
    """Of Cloud Run with instance-based billing."""
    run_requests: Mapping[str, float]
    """Of Cloud Run with request-based billing."""
    sql: tuple[Tier, ...]
    valkey: tuple[Tier, ...]


@cache
def figures() -> Figures:
    """Return the figures."""
    return Figures(**_read("figures.toml"))


@cache
def prices() -> Prices:
    """Return the prices."""
    read = _read("prices.toml")
    tiers = {name: tuple(Tier(**tier) for tier in read[name]) for name in ("sql", "valkey")}
    return Prices(yen=read["yen"], run=read["run"], run_requests=read["run_requests"], **tiers)


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / name).read_text("utf-8"))
