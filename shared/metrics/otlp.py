"""Sends all metrics over OTLP: the very numbers of `GET /metrics`, as cumulative values since the start.

Nothing is counted a second time, and nothing is kept for later: a collector that was away gets the next values, which
contain those that it missed. Imported only where an endpoint is set.
Source: opentelemetry.io/docs/specs/otel/metrics/data-model and .../configuration/sdk-environment-variables.
"""

import os
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from shared.counting import BOUNDS_S
from shared.environment import SettingsError
from shared.metrics.registry import Family, Registry, Sample
from shared.metrics.table import MetricKind
from shared.telemetry import get_logger

log = get_logger(__name__)

INTERVAL: Final = "OTEL_METRIC_EXPORT_INTERVAL"
"""The standard variable with the milliseconds between two exports."""
_INTERVAL_MS: Final = "60000"
_LONGEST_MS: Final = 86_400_000
_SCOPE: Final = InstrumentationScope("ticket_server")
_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE


def export_metrics(resource: Resource, *, registry: Registry) -> Callable[[], None]:
    """Send the metrics of `registry` from time to time; return what sends them once more and ends that.

    A thread of its own does it, so that a collector that does not answer delays no call. What is returned waits for the
    last export; a caller that cannot wait so long may leave it, as the thread does not keep the process alive.

    Args:
        resource: what the metrics are of.
        registry: has them.

    Raises:
        SettingsError: `OTEL_METRIC_EXPORT_INTERVAL` is no number of milliseconds.
    """
    every_s = _interval_s()
    exporter, ending = OTLPMetricExporter(), Event()

    def export_until_the_end() -> None:
        is_over = False
        while not is_over:
            is_over = ending.wait(every_s)
            try:
                exporter.export(metrics_data(registry, resource))
            except Exception:  # the next export may succeed; failures of the network are no exceptions
                log.exception("metrics_not_exported")

    thread = Thread(target=export_until_the_end, name="export_metrics", daemon=True)
    thread.start()

    def end() -> None:
        ending.set()
        thread.join()

    return end


def _interval_s() -> float:
    """Return the seconds between two exports. Raises: SettingsError."""
    given = os.environ.get(INTERVAL) or _INTERVAL_MS
    if not (given.isascii() and given.isdecimal() and 0 < int(given[:20]) <= _LONGEST_MS):
        raise SettingsError(f"{INTERVAL} must be whole milliseconds from 1 to {_LONGEST_MS}")
    return int(given) / 1e3


def metrics_data(registry: Registry, resource: Resource) -> MetricsData:
    """Return the metrics of `registry` as they are now, for an exporter of the SDK."""
    now = time.time_ns()
    metrics = [_metric(family, registry.started_ns, now) for family in registry.families()]
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(_SCOPE, metrics, "")], "")])


def _metric(family: Family, started: int, now: int) -> Metric:
    metric, samples = family
    names = metric.attributes
    data: Sum | Gauge | Histogram
    if metric.kind is MetricKind.HISTOGRAM:
        data = Histogram([_durations(names, one, started, now) for one in samples], _CUMULATIVE)
    else:
        points = [NumberDataPoint(_attributes(names, one), started, now, one.value) for one in samples]
        data = Gauge(points) if metric.kind is MetricKind.GAUGE else Sum(points, _CUMULATIVE, is_monotonic=True)
    return Metric(metric.otlp, metric.help, metric.unit, data)


def _durations(names: tuple[str, ...], sample: Sample, started: int, now: int) -> HistogramDataPoint:
    return HistogramDataPoint(
        _attributes(names, sample),
        started,
        now,
        count=sum(sample.buckets),
        sum=sample.value,
        bucket_counts=list(sample.buckets),
        explicit_bounds=list(BOUNDS_S),
        min=None,  # type: ignore[arg-type]  # optional in OTLP, and not known here
        max=None,  # type: ignore[arg-type]  # likewise
    )


def _attributes(names: tuple[str, ...], sample: Sample) -> dict[str, str]:
    """Return the labels that have a value: for Prometheus an empty one is none."""
    return {name: value for name, value in zip(names, sample.values, strict=True) if value}
