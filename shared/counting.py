"""Counters and durations: the seam through which they come in, and what keeps them in memory.

They go to the `Counter` of the entry point; nothing is counted twice. shared.metrics shows them.
"""

from bisect import bisect_left
from collections import Counter as Tally
from typing import Final, Protocol

OTHER: Final = "other"
"""The label value of every name that is not told apart."""
MAX_TENANTS: Final = 100
"""Tenants that counters tell apart."""


BOUNDS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of durations, in seconds; one more bucket has what took longer."""


class Histogram:
    """How long something took, by label values. An observation costs a third of a microsecond.

    The caller must bound the values of its labels; as a safeguard, series beyond `MAX_SERIES` are put together into
    one whose values are all `other`.
    """

    MAX_SERIES = 2_000

    __slots__ = ("_series",)

    def __init__(self) -> None:
        self._series: dict[tuple[object, ...], list[float]] = {}

    def observe(self, seconds: float, *values: object) -> None:
        """Add one duration to the series with these label values, in the order in which the metric declares them."""
        try:
            series = self._series[values]
        except KeyError:
            series = self._first_of(values)
        series[bisect_left(BOUNDS_S, seconds)] += 1
        series[-1] += seconds

    def _first_of(self, values: tuple[object, ...]) -> list[float]:
        if len(self._series) >= self.MAX_SERIES:
            values = (OTHER,) * len(values)
        return self._series.setdefault(values, [0] * (len(BOUNDS_S) + 1) + [0.0])

    @property
    def series(self) -> dict[tuple[str, ...], tuple[list[int], float]]:
        """By label values: how many durations each bucket has, and their sum in seconds."""
        series = list(self._series.items())  # at once, since another thread may observe meanwhile
        return {tuple(map(str, values)): (list(map(int, one[:-1])), one[-1]) for values, one in series}

    def count(self, *values: str | None) -> int:
        """Return how many durations there are with these label values; None stands for any value."""
        return sum(
            sum(buckets)
            for known, (buckets, _) in self.series.items()
            if all(wanted in {None, value} for wanted, value in zip(values, known, strict=True))
        )


class LabelledCounter:
    """One counter whose label values come in a fixed order: for what is counted with every call."""

    __slots__ = ("_counts", "_limit", "_series")

    def __init__(self, counts: dict[tuple[str, ...], int], series: tuple[str, ...], limit: int) -> None:
        self._counts = counts
        self._series = series
        self._limit = limit

    def add(self, *values: str) -> None:
        """Add one to the series with these label values."""
        series = self._series + values
        try:
            self._counts[series] += 1
        except KeyError:
            counted = series if len(self._counts) < self._limit else self._series[:1]
            self._counts[counted] = self._counts.get(counted, 0) + 1


class Counter(Protocol):
    """Counts events and durations. Label values must come from a bounded set."""

    def count(self, name: str, **labels: str) -> None:
        """Add one to `name` with these labels."""
        ...

    def labelled(self, name: str, *labels: str) -> LabelledCounter:
        """Return the counter `name` with these labels."""
        ...

    def histogram(self, name: str) -> Histogram:
        """Return the histogram `name`, always the same one."""
        ...


class BoundedLabels:
    """Makes names that clients choose into label values: the first `max_names` as they are, any other as `other`."""

    def __init__(self, max_names: int) -> None:
        self._max_names = max_names
        self._known: set[str] = set()

    def label(self, name: str) -> str:
        """Return `name`, or `other`."""
        if name in self._known:
            return name
        if len(self._known) >= self._max_names:
            return OTHER
        self._known.add(name)
        return name


class TallyCounter:
    """Counts in memory, for `GET /metrics` and for tests.

    Callers must bound their label values; as a safeguard, series beyond `MAX_SERIES` are counted without labels.
    """

    MAX_SERIES = 10_000

    def __init__(self) -> None:
        self._counts: dict[tuple[str, ...], int] = {}
        """By name, the names of the labels and their values, as they were written."""
        self.histograms: dict[str, Histogram] = {}
        """By name."""

    def count(self, name: str, **labels: str) -> None:
        """Add one to `name` with these labels."""
        self.labelled(name, *labels).add(*labels.values())

    def labelled(self, name: str, *labels: str) -> LabelledCounter:
        """Return the counter `name` with these labels."""
        return LabelledCounter(self._counts, (name, *labels), self.MAX_SERIES)

    def histogram(self, name: str) -> Histogram:
        """Return the histogram `name`, always the same one."""
        return self.histograms.setdefault(name, Histogram())

    @property
    def tally(self) -> Tally[tuple[str, tuple[tuple[str, str], ...]]]:
        """The counts by name and sorted labels."""
        tally: Tally[tuple[str, tuple[tuple[str, str], ...]]] = Tally()
        for (name, *labels), count in list(self._counts.items()):  # another thread may count meanwhile
            half = len(labels) // 2
            tally[name, tuple(sorted(zip(labels[:half], labels[half:], strict=True)))] += count
        return tally

    def total(self, name: str, **labels: str) -> int:
        """Return the count of `name` over all series with at least these labels."""
        wanted = set(labels.items())
        return sum(
            n for (counted, with_labels), n in self.tally.items() if counted == name and wanted <= {*with_labels}
        )
