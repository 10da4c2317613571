"""All metrics in the text format of Prometheus.

Source: prometheus.io/docs/instrumenting/exposition_formats.
"""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as PrometheusMetric
from prometheus_client.registry import Collector

from shared.counting import BOUNDS_S
from shared.metrics.registry import Family, Registry
from shared.metrics.table import MetricKind

CONTENT_TYPE = CONTENT_TYPE_LATEST
_LE = (*map(str, BOUNDS_S), "+Inf")


class PrometheusText:
    """Writes the metrics of `registry`."""

    def __init__(self, registry: Registry) -> None:
        self._library = CollectorRegistry()
        self._library.register(_Figures(registry))

    def write(self) -> bytes:
        """Return all metrics as they are now."""
        return generate_latest(self._library)


class _Figures(Collector):
    """Passes the metrics to the Prometheus library."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def describe(self) -> Iterable[PrometheusMetric]:
        """Return nothing: what there is to collect is only known once it was counted."""
        return ()

    def collect(self) -> Iterator[PrometheusMetric]:
        """Yield every metric."""
        for family in self._registry.families():
            yield _shown(family)


def _shown(family: Family) -> PrometheusMetric:
    (name, kind, text, *_), labels = family.metric, family.metric.labels
    if kind is MetricKind.HISTOGRAM:
        histogram = HistogramMetricFamily(name, text, labels=labels)
        for values, seconds, buckets in family.samples:
            histogram.add_metric(values, list(zip(_LE, accumulate(buckets), strict=True)), seconds)
        return histogram
    made = CounterMetricFamily if kind is MetricKind.COUNTER else GaugeMetricFamily
    shown: CounterMetricFamily | GaugeMetricFamily = made(name, text, labels=labels)
    for values, value, _ in family.samples:
        shown.add_metric(values, value)
    return shown
