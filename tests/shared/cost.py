"""What work costs, whatever else the machine does meanwhile."""

import time
from collections.abc import Callable


def costs_less(work: Callable[[], object], limit_s: float) -> bool:
    """Whether `work` takes less than `limit_s` of the processor, at least once: a pause may count as time of ours."""
    return any(_cost_s(work) < limit_s for _ in range(3))


def _cost_s(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
