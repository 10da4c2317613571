"""Every metric, label and label value in rules, dashboards and policies is one that the program emits."""

import re
from collections.abc import Iterator

import pytest

from tests.deploy.alert_rules import alerts, policy, records, without_records
from tests.deploy.dashboards import google_dashboard, grafana_dashboard, panels
from tests.deploy.emitted import emitted
from tests.deploy.promql import Matcher, faults, names


def expressions() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each expression on our own metrics."""
    yield from ((name, expr) for name, expr in records().items())
    yield from ((alert.name, without_records(alert.expr)) for alert in alerts())
    for panel in panels():
        if not panel.is_of_google:
            yield from ((panel.title, query.expr) for query in panel.queries)


@pytest.mark.parametrize("expr", [pytest.param(expr, id=place) for place, expr in expressions()])
def test_an_expression_names_only_what_is_emitted(expr: str) -> None:
    assert list(faults(expr, emitted())) == []


def test_policies_and_dashboards_have_no_other_expressions_than_these() -> None:
    known = {expr for _, expr in expressions()}

    for alert in alerts():
        (condition,) = policy(alert)["conditions"]
        assert condition["conditionPrometheusQueryLanguage"]["query"] in known
    shown = [target["expr"] for panel in grafana_dashboard()["panels"] for target in panel.get("targets", ())]
    assert set(shown) <= known
    ours = [query.expr for panel in panels() for query in panel.queries]
    tiles = [tile["widget"].get("xyChart", {"dataSets": ()}) for tile in google_dashboard()["mosaicLayout"]["tiles"]]
    assert [one["timeSeriesQuery"]["prometheusQuery"] for chart in tiles for one in chart["dataSets"]] == ours


def test_the_legend_of_a_panel_names_labels_that_its_expression_keeps() -> None:
    for panel in panels():
        for query in panel.queries:
            named = set(re.findall(r"{{(\w+)}}", query.legend))
            assert named == names(query.expr).groupings - {"instance", "le"} or not named, panel.title


@pytest.mark.parametrize(
    ("expr", "fault"),
    [
        ("sum(rate(ticket_server_strems_opened_total[5m]))", "there is no metric ticket_server_strems_opened_total"),
        ("mcp_server_operation_duration_seconds > 1", "there is no metric mcp_server_operation_duration_seconds"),
        ("ticket_server_streams_count", "there is no metric ticket_server_streams_count"),
        ('ticket_server_sessions{wire="sse"}', "ticket_server_sessions has no label wire"),
        (
            'http_client_request_duration_seconds_sum{le="1.0"}',
            "http_client_request_duration_seconds_sum has no label le",
        ),
        ('http_client_request_duration_seconds_bucket{le="3.0"}', r"le is never '3\\.0'"),
        ('ticket_server_limits_reached_total{limit=~"rate|quue"}', "limit is never 'quue'"),
        ('ticket_server_http_refusals_total{kind!="drained"}', "kind is never 'drained'"),
        ('ticket_server_streams_ended_total{reason="slow"}', "reason is never 'slow'"),
        ("sum by (wires) (ticket_server_streams_opened_total)", "no metric here has the label wires"),
        (
            "ticket_server_sessions * on (revision) group_left () ticket_server_streams",
            "no metric here has the label revision",
        ),
    ],
)
def test_a_misspelt_name_is_found(expr: str, fault: str) -> None:
    assert list(faults(expr, emitted())) == [fault]


def test_the_lint_reads_every_part_of_an_expression() -> None:
    read = names('max by (a) (rate(x_total{b=~"1[.]0|2",c!="d\\"e"}[5m] offset 1h)) > 1.5 or 2 * y unless on (f) z')

    assert read.selectors == (
        ("x_total", (Matcher("b", "=~", "1[.]0|2"), Matcher("c", "!=", 'd\\"e'))),
        ("y", ()),
        ("z", ()),
    )
    assert read.groupings == {"a", "f"}
