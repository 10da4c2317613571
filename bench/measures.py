"""What is measured of each row."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from bench import cpu, instructions, others
from bench.figures import Figure
from bench.lab import Lab
from bench.rows import IDLE, PACED, WORK

STDIO: Final = "stdio"
TITLES: Final = MappingProxyType(
    {key: row.title for rows in (WORK, IDLE, PACED) for key, row in rows.items()} | {STDIO: "Start over STDIO"}
)
"""What each row is called, by its key on the command line."""
ROUNDS: Final = 8
QUICK_ROUNDS: Final = 2


def measure(key: str, lab: Lab, *, is_quick: bool) -> Sequence[Figure]:
    """Return all figures of a row."""
    rounds = QUICK_ROUNDS if is_quick else ROUNDS
    if key in IDLE:
        return others.memory(key, IDLE[key], lab)
    if key in PACED:
        return others.latency(key, PACED[key], lab)
    if key == STDIO:
        return others.start(key, lab, rounds)
    counted = instructions.measure(key, WORK[key], lab) if instructions.is_possible() and not is_quick else []
    return [*cpu.measure(key, WORK[key], lab, rounds), *counted]
