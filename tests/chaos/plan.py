"""Which faults happen, in which order and how severely: pure data from a seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """What happens to the fleet."""

    CUT = "cut"
    """Every connection is reset."""
    SWALLOW = "swallow"
    """The last bytes that the servers write are lost, then every connection is reset."""
    END = "sigterm"
    """The platform ends an instance and starts another one."""
    KILL = "kill -9"
    """An instance dies and is restarted."""
    FREEZE = "freeze"
    """An instance is stopped for longer than its lease, then continues as if nothing had happened."""
    BROKER = "valkey restart"
    """The broker dies and returns with its data."""


FROZEN_S: Final = 15.0
"""Longest stop. The lease is 5 s; the stop ends earlier once another instance has answered calls of the frozen one."""

LONGEST_OUTAGE_S: Final = 2.0
"""Of the broker; a message waits 4 s for it."""


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One fault: it happens once `after` calls of its wave are done and `held` requests wait at the gate.

    A fault with a single victim hits the instance with the most held requests.
    """

    fault: Fault
    after: int
    held: int
    swallows: int
    """Bytes lost on each connection."""
    outage_s: float


def plan(seed: int, faults: Sequence[Fault] = tuple(Fault)) -> list[Strike]:
    """Return each of `faults` once, in an order that depends on the seed."""
    rng = random.Random(f"plan {seed}")  # noqa: S311 - to be repeated, not to be secret
    return [
        Strike(
            fault=fault,
            after=rng.randint(0, 12),
            held=rng.randint(3, 5),
            swallows=rng.randint(1_000, 20_000),
            outage_s=rng.uniform(0, LONGEST_OUTAGE_S),
        )
        for fault in rng.sample(faults, len(faults))
    ]
