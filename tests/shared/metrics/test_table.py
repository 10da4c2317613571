"""The table of metrics: it has what the code counts, and its two names of each metric are one by the known rules."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from shared.client_habits import NAMES as HABITS
from shared.counting import MAX_TENANTS, Histogram, TallyCounter
from shared.mcp_tools.catalog import TOOLS
from shared.metrics.limits import LIMITS, limits_reached
from shared.metrics.registry import MetricReading, Registry
from shared.metrics.table import METRICS, MetricKind
from tests.shared.metrics.translation import prometheus_label, prometheus_name

ROOT: Final = Path(__file__).resolve().parents[3]
PRODUCT: Final = ("auth", "shared", "transport")


def counted(folder: Path) -> Iterator[tuple[str, frozenset[str] | None]]:
    """Yield the name of each counter and histogram of the code in `folder`, and the labels of a counter."""
    for path in [*folder.glob("*.py"), *(path for part in PRODUCT for path in (folder / part).rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            name, *rest = [one.value if isinstance(one, ast.Constant) else None for one in node.args]
            if not isinstance(name, str) or not ast.unparse(node.func.value).endswith("counter"):
                continue
            if node.func.attr == "count":
                yield name, frozenset(label.arg for label in node.keywords if label.arg)
            if node.func.attr == "labelled":
                yield name, frozenset(map(str, rest))
            if node.func.attr == "histogram":
                yield name, None


def undeclared(folder: Path) -> list[str]:
    """Return what the code counts and the table does not have, or has with other labels."""
    return [
        name
        for name, labels in counted(folder)
        if name not in METRICS or (labels is not None and labels != frozenset(METRICS[name].labels))
    ]


@pytest.mark.parametrize("name", METRICS)
def test_the_name_in_opentelemetry_becomes_that_of_prometheus(name: str) -> None:
    metric = METRICS[name]
    assert prometheus_name(metric.otlp, metric.unit, metric.kind) == metric.prometheus
    assert tuple(map(prometheus_label, metric.attributes)) == metric.labels


def test_whatever_the_code_counts_is_in_the_table() -> None:
    assert undeclared(ROOT) == []
    assert {"mcp_requests", "operations", "client_habits", "mcp_clients"} <= {name for name, _ in counted(ROOT)}


def test_a_counter_that_is_not_declared_is_noticed(tmp_path: Path) -> None:
    planted = 'self._counter.count("tickets_eaten", by="dog")\nself._counter.count("tool_calls", tool="x")\n'
    (tmp_path / "planted.py").write_text(planted, "utf-8")

    assert undeclared(tmp_path) == ["tickets_eaten", "tool_calls"]


def test_names_are_unique_and_labels_are_words() -> None:
    assert len({metric.prometheus for metric in METRICS.values()}) == len(METRICS)
    assert len({metric.otlp for metric in METRICS.values()}) == len(METRICS)
    for metric in METRICS.values():
        assert metric.help.endswith(".")
        assert (metric.kind is MetricKind.COUNTER) == metric.prometheus.endswith("_total")


def test_the_bounds_of_the_table_are_those_of_the_code() -> None:
    assert METRICS["own_time"].series >= len(TOOLS)
    assert METRICS["client_habits"].series >= len(HABITS)
    assert METRICS["limits_reached"].series == len({limit for limit, *_ in LIMITS})
    assert METRICS["operations"].series == Histogram.MAX_SERIES
    assert METRICS["mcp_requests"].series == TallyCounter.MAX_SERIES > MAX_TENANTS


def test_each_limit_is_read_from_its_own_counts() -> None:
    counter = TallyCounter()
    for _, name, labels in LIMITS:
        counter.count(name, **(dict.fromkeys(METRICS[name].labels, "x") | dict(labels)))
    counter.count("http_refusals", kind="unauthenticated", status="401", tenant="unknown")

    reached = {reading.values[0]: reading.value for reading in limits_reached(counter)}

    assert reached == {limit: [row[0] for row in LIMITS].count(limit) for limit, *_ in LIMITS}


def test_limits_that_were_not_reached_are_zero() -> None:
    assert {reading.value for reading in limits_reached(TallyCounter())} == {0}


def test_what_was_counted_too_often_to_be_told_apart_is_counted_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Histogram, "MAX_SERIES", 3)
    histogram = TallyCounter().histogram("operations")
    for number in range(10):
        histogram.observe(0.1, f"method {number}", "", "", "", "")

    assert len(histogram.series) == 4
    assert histogram.count("other", "other", "other", "other", "other") == 7
    assert histogram.count(None, None, None, None, None) == 10


def test_a_duration_is_in_the_bucket_that_ends_with_it() -> None:
    histogram = Histogram()
    for seconds in (0.0, 0.005, 0.0051, 10.0, 11.0):
        histogram.observe(seconds)

    buckets, seconds = histogram.series[()]
    assert buckets == [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]
    assert seconds == pytest.approx(21.0101)


def test_families_come_in_the_order_of_the_table_and_undeclared_counts_do_not() -> None:
    counter = TallyCounter()
    counter.count("tickets_eaten")
    counter.count("mcp_answers_dropped")
    counter.histogram("operations").observe(0.1, "ping", "", "2025-11-25", "sse", "")
    registry = Registry(counter, lambda: [MetricReading("sessions", 3)])

    names = [family.metric.prometheus for family in registry.families()]

    assert names == [
        "mcp_server_operation_duration_seconds",
        "ticket_server_mcp_answers_dropped_total",
        "ticket_server_sessions",
    ]
