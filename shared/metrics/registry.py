"""All metrics of this process as they are now: one source for `GET /metrics` and for OpenTelemetry.

Counters and durations are counted where things happen; the rest is read when it is asked for.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from shared.counting import TallyCounter
from shared.metrics.table import METRICS, Metric


class MetricReading(NamedTuple):
    """A value that is read when it is asked for."""

    name: str
    """In `METRICS`."""
    value: float
    values: tuple[str, ...] = ()
    """Of its labels, in the order in which the metric declares them."""


class Sample(NamedTuple):
    """The value of one series."""

    values: tuple[str, ...]
    """Of its labels."""
    value: float
    """Of a histogram: the sum, in seconds."""
    buckets: Sequence[int] = ()
    """Of a histogram: how many durations each bucket has, of those that `BOUNDS_S` ends and of the last one."""


class Family(NamedTuple):
    """One metric and all its series."""

    metric: Metric
    samples: Sequence[Sample]


class Registry:
    """Collects the metrics of one process.

    Args:
        counter: has the counts and durations.
        sources: each returns values that are read now.
    """

    def __init__(self, counter: TallyCounter, *sources: Callable[[], Iterable[MetricReading]]) -> None:
        self._counter = counter
        self._sources = sources
        self.started_ns = time.time_ns()
        """When counting began, in nanoseconds since 1970."""

    def families(self) -> Iterator[Family]:
        """Yield each metric that has a value, in the order of the table.

        Counts of a name that the table does not have are left out; a test compares both.
        """
        samples: dict[str, dict[tuple[str, ...], Sample]] = defaultdict(dict)
        for (name, labels), count in self._counter.tally.items():
            if name in METRICS:
                given = dict(labels)
                values = tuple(given.get(label, "") for label in METRICS[name].labels)
                samples[name][values] = Sample(values, count)
        for name, histogram in self._counter.histograms.items():
            for values, (buckets, seconds) in histogram.series.items():
                samples[name][values] = Sample(values, seconds, buckets)
        for source in self._sources:
            for name, value, values in source():
                samples[name][values] = Sample(values, value)
        for name, metric in METRICS.items():
            if name in samples:
                yield Family(metric, list(samples[name].values()))
