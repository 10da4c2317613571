"""OTLP carries the very numbers of `GET /metrics`; a collector that is away costs nothing but its numbers."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.sdk.resources import Resource
from prometheus_client.parser import text_string_to_metric_families

from shared.counting import BOUNDS_S, TallyCounter
from shared.environment import SettingsError
from shared.metrics.otlp import INTERVAL, export_metrics
from shared.metrics.prometheus import PrometheusText
from shared.metrics.registry import MetricReading, Registry
from shared.metrics.server import server_metrics
from shared.metrics.table import METRICS
from tests.captured_logs import capture_logs
from tests.otlp import Collector, otlp_receiver
from tests.processes import http_door
from tests.shared.metrics.translation import prometheus_label, prometheus_name

RESOURCE = Resource({"service.name": "tickets", "service.instance.id": "i-1"})
WITHIN_S = 20


class Transport:
    """Numbers that are not counted."""

    def stats(self) -> dict[str, int]:
        """Return gauges."""
        return {"sessions": 3, "sessions_limit": 1000, "log_bytes": 17, "broker_up": 1, "instance_calls_in_flight": 0}

    def broker_calls(self) -> dict[str, int]:
        """Return calls of the broker."""
        return {"ok": 8, "failed": 1}


@pytest.fixture
def counter() -> TallyCounter:
    """Return a counter with something of every kind."""
    counter = TallyCounter()
    for seconds in (0.001, 0.2, 0.2, 30.0):
        counter.histogram("operations").observe(seconds, "tools/call", "get_users", "2025-11-25", "sse", "")
    counter.histogram("operations").observe(0.5, "ping", "", "unknown", "sse", "busy")
    counter.histogram("own_time").observe(0.25, "get_users")
    counter.histogram("api_time").observe(0.125, "GET", "deadline")
    counter.count("tool_calls", tool="get_users", outcome="ok", tenant="acme")
    counter.count("http_refusals", kind="too_many_sessions", status="429", tenant="acme")
    counter.count("mcp_answers_dropped")
    return counter


@pytest.fixture
def registry(counter: TallyCounter) -> Registry:
    """Return all of a server's metrics."""
    return server_metrics(counter, Transport(), version="1.2.3", revision="tickets-00001")


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Serve a collector, and have exports go there every hour."""
    with otlp_receiver() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv(INTERVAL, "3600000")
        yield collector


def shown(registry: Registry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return what `GET /metrics` shows, without labels that are empty."""
    text = PrometheusText(registry).write().decode()
    return {
        (sample.name, frozenset((name, value) for name, value in sample.labels.items() if value)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def translated(metrics: dict[str, Metric]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return what a collector makes of metrics for Prometheus."""
    made: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for metric in metrics.values():
        kind = {"sum": "counter"}.get(str(metric.WhichOneof("data")), str(metric.WhichOneof("data")))
        name = prometheus_name(metric.name, metric.unit, kind)
        for point in getattr(metric, str(metric.WhichOneof("data"))).data_points:
            labels = frozenset((prometheus_label(one.key), one.value.string_value) for one in point.attributes)
            if kind != "histogram":
                made[name, labels] = point.as_int or point.as_double
                continue
            made[f"{name}_sum", labels], made[f"{name}_count", labels] = point.sum, point.count
            for place, bound in enumerate([*map(str, point.explicit_bounds), "+Inf"]):
                made[f"{name}_bucket", labels | {("le", bound)}] = sum(point.bucket_counts[: place + 1])
    return made


def without_process(samples: dict[tuple[str, frozenset[tuple[str, str]]], float]) -> dict[object, float]:
    """Return samples without those that differ at each look."""
    return {key: value for key, value in samples.items() if not key[0].startswith("process_")}


def test_a_collector_gets_the_numbers_of_get_metrics(registry: Registry, collector: Collector) -> None:
    export_metrics(RESOURCE, registry=registry)()

    made = translated(collector.metrics)
    assert without_process(made) == without_process(shown(registry))
    assert {name for name, _ in made if name.startswith("process_")} >= {
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
    }
    assert collector.resource["service.instance.id"] == "i-1"
    assert len(made) > 40


def test_values_are_cumulative_since_the_start(registry: Registry, collector: Collector) -> None:
    export_metrics(RESOURCE, registry=registry)()

    histogram = collector.metrics["mcp.server.operation.duration"].histogram
    sums = collector.metrics["ticket_server.tool_calls"].sum
    assert histogram.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    assert sums.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    assert sums.is_monotonic
    for point in (*histogram.data_points, *sums.data_points):
        assert point.start_time_unix_nano == registry.started_ns < point.time_unix_nano <= time.time_ns()
    assert list(histogram.data_points[0].explicit_bounds) == list(BOUNDS_S)
    assert not histogram.data_points[0].HasField("min")


def test_metrics_come_from_time_to_time(
    registry: Registry, counter: TallyCounter, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INTERVAL, "10")
    end = export_metrics(RESOURCE, registry=registry)
    assert collector.exports.acquire(timeout=WITHIN_S)
    counter.count("mcp_answers_dropped")
    assert collector.exports.acquire(timeout=WITHIN_S)
    end()

    [dropped] = collector.metrics["ticket_server.mcp_answers_dropped"].sum.data_points
    assert dropped.as_int == 2


def test_what_a_collector_missed_is_in_the_next_export(
    registry: Registry, counter: TallyCounter, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.status = 400  # one that is not tried again
    export_metrics(RESOURCE, registry=registry)()
    counter.count("mcp_answers_dropped")
    collector.status = 200
    export_metrics(RESOURCE, registry=registry)()

    [dropped] = collector.metrics["ticket_server.mcp_answers_dropped"].sum.data_points
    assert dropped.as_int == 2


def test_without_a_collector_nothing_fails_and_the_end_is_not_waited_for(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with capture_logs() as logs:
        export_metrics(RESOURCE, registry=registry)()

    assert "export_metrics" not in [thread.name for thread in threading.enumerate()]
    assert [line for line in logs if line["message"] == "metrics_not_exported"] == []


def test_an_export_that_fails_inside_is_not_the_last(
    counter: TallyCounter, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INTERVAL, "10")
    looks = 0

    def unlucky() -> list[MetricReading]:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise RuntimeError("planted")
        return []

    with capture_logs() as logs:
        end = export_metrics(RESOURCE, registry=Registry(counter, unlucky))
        assert collector.exports.acquire(timeout=WITHIN_S)
        end()

    assert [line["message"] for line in logs].count("metrics_not_exported") == 1
    assert "ticket_server.tool_calls" in collector.metrics


def test_the_thread_keeps_no_process_alive(registry: Registry, collector: Collector) -> None:
    end = export_metrics(RESOURCE, registry=registry)

    [thread] = [one for one in threading.enumerate() if one.name == "export_metrics"]
    assert thread.daemon
    end()
    assert set(collector.metrics) <= {metric.otlp for metric in METRICS.values()}


@pytest.mark.parametrize("given", ["soon", "0", "-5", "nan", "1e3", "9" * 30])
def test_an_interval_that_is_none_is_refused_with_a_sentence(
    registry: Registry, collector: Collector, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv(INTERVAL, given)

    with pytest.raises(SettingsError, match="OTEL_METRIC_EXPORT_INTERVAL must be whole milliseconds"):
        export_metrics(RESOURCE, registry=registry)


@pytest.mark.parametrize(("exporter", "sends"), [("otlp", True), ("none", False)])
def test_a_started_server_sends_its_metrics_unless_told_not_to(
    collector: Collector, tmp_path: Path, exporter: str, sends: bool
) -> None:
    with http_door(
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_METRICS_EXPORTER=exporter,
        OTEL_TRACES_EXPORTER="none",
    ) as (_, process):
        assert process.end() == 0

    assert ("ticket_server.build_info" in collector.metrics) is sends
