"""What is known of this process: its version, and what the operating system says of it."""

import platform
from collections.abc import Iterator
from functools import cache

from prometheus_client import CollectorRegistry, ProcessCollector

from shared.metrics.registry import MetricReading
from shared.metrics.table import METRICS


def process_readings() -> Iterator[MetricReading]:
    """Yield memory, CPU time, start and open files; nothing where the platform does not say (all but Linux)."""
    names = {metric.prometheus: name for name, metric in METRICS.items()}
    for family in _collector().collect():
        for sample in family.samples:
            if sample.name in names:
                yield MetricReading(names[sample.name], sample.value)


def build_info(version: str, revision: str) -> MetricReading:
    """Return what runs here.

    Args:
        version: of this program.
        revision: the platform's name of this deployment (`K_REVISION` on Cloud Run); empty for none.
    """
    return MetricReading("build_info", 1, (version, revision, platform.python_version()))


@cache
def _collector() -> ProcessCollector:
    return ProcessCollector(registry=CollectorRegistry())
