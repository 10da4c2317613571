"""All clients of some instances lose their streams at one moment and come back: a simulation without I/O.

Each client waits for the time that the server told it with `retry:`, at random between two bounds, and then reaches
any instance. An instance serves connections one after the other, beside its other work. One that would wait longer
than the platform keeps requests is refused, and its client waits and comes again.
"""

import heapq
import random
from dataclasses import dataclass
from typing import Final

QUEUE_S: Final = 10.0
"""How long Cloud Run keeps a request that no instance takes; then it responds 429."""
LATEST_S: Final = 600.0
"""When a simulation is given up."""


@dataclass(frozen=True, slots=True)
class Storm:
    """What came of it. Times in seconds since the streams were lost."""

    clients: int
    back_s: float
    """When the last client had its stream again."""
    longest_wait_s: float
    """How long a client waited for its response at most, once it had asked."""
    refused: int
    """How many requests were refused."""


def storm(
    clients: int, instances: int, *, connect_s: float, busy: float, retry_s: tuple[float, float], seed: int = 1
) -> Storm:
    """Return what becomes of `clients` that lose their streams at time 0.

    Args:
        clients: how many.
        instances: how many take them.
        connect_s: CPU time of one reconnection.
        busy: the part of each instance's time that other work takes, below 1.
        retry_s: bounds of the time after which a client comes.
        seed: of the random numbers.
    """
    rng = random.Random(seed)  # noqa: S311 - a simulation that can be repeated
    service = connect_s / (1 - busy)
    free_at = [0.0] * instances
    coming = [rng.uniform(*retry_s) for _ in range(clients)]
    heapq.heapify(coming)
    refused, back, longest = 0, 0.0, 0.0
    while coming and coming[0] < LATEST_S:
        now = heapq.heappop(coming)
        instance = rng.randrange(instances)
        begins = max(now, free_at[instance])
        if begins - now > QUEUE_S:
            refused += 1
            heapq.heappush(coming, now + QUEUE_S + rng.uniform(*retry_s))
            continue
        free_at[instance] = begins + service
        back, longest = max(back, free_at[instance]), max(longest, free_at[instance] - now)
    if coming:
        back = float("inf")
    return Storm(clients, back, longest, refused)
