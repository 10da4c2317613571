"""The two dashboards, both made from `gcp-deploy/monitoring/panels.yaml`: for Cloud Monitoring and for Grafana.

`python3 run.py renew` writes them. The dashboard of Cloud Monitoring was not tried against Google.
Source: Google's API description monitoring.v1 (Dashboard); grafana.com/docs/grafana/latest/dashboards, JSON model.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import yaml

from tests.deploy.alert_rules import FOLDER, without_records

PANELS: Final = FOLDER / "panels.yaml"
GOOGLE: Final = FOLDER / "dashboard.json"
GRAFANA: Final = FOLDER / "grafana.json"
TITLE: Final = "MCP ticket server"


class Unit(NamedTuple):
    """One unit, as each side calls it."""

    google: str
    """UCUM."""
    grafana: str


UNITS: Final = MappingProxyType({
    "number": Unit("1", "short"),
    "ratio": Unit("10^2.%", "percentunit"),
    "per second": Unit("1/s", "reqps"),
    "seconds": Unit("s", "s"),
    "bytes": Unit("By", "bytes"),
    "bytes per second": Unit("By/s", "Bps"),
})  # fmt: skip


class Query(NamedTuple):
    """One PromQL expression, and how its series are named (`{{label}}`)."""

    expr: str
    legend: str


class Panel(NamedTuple):
    """One chart."""

    section: str
    title: str
    unit: Unit
    queries: tuple[Query, ...]
    is_of_google: bool


@cache
def panels() -> tuple[Panel, ...]:
    """Return all charts, with the expressions of recording rules in place of their names."""
    return tuple(
        Panel(
            section["section"],
            panel["title"],
            UNITS[panel["unit"]],
            tuple(Query(without_records(one["expr"]), one["legend"]) for one in panel["queries"]),
            panel.get("google", False),
        )
        for section in yaml.safe_load(PANELS.read_text("utf-8"))
        for panel in section["panels"]
    )


class Place(NamedTuple):
    """A section's header (without a panel) or a panel, and where it stands in a grid."""

    x: int
    y: int
    width: int
    height: int
    section: str
    panel: Panel | None


def placed(charts: tuple[Panel, ...], *, columns: int, header: int, height: int) -> Iterator[Place]:
    """Yield where everything stands: two charts beside each other below the header of their section."""
    y, section, beside = 0, "", False
    for chart in charts:
        if chart.section != section:
            y += height if beside else 0
            section, beside = chart.section, False
            yield Place(0, y, columns, header, section, None)
            y += header
        yield Place(columns // 2 if beside else 0, y, columns // 2, height, section, chart)
        y += height if beside else 0
        beside = not beside


def google_dashboard() -> dict[str, Any]:
    """Return the dashboard of Cloud Monitoring; apply.sh fills in the project."""
    tiles = [
        {"xPos": at.x, "yPos": at.y, "width": at.width, "height": at.height, "widget": _widget(at)}
        for at in placed(panels(), columns=48, header=4, height=16)
    ]
    return {
        "name": "projects/PROJECT_ID/dashboards/mcp-ticket-server",
        "displayName": TITLE,
        "mosaicLayout": {"columns": 48, "tiles": tiles},
    }


def _widget(at: Place) -> dict[str, Any]:
    if at.panel is None:
        return {"title": at.section, "sectionHeader": {"dividerBelow": True}}
    sets = [
        {
            "timeSeriesQuery": {"prometheusQuery": query.expr, "unitOverride": at.panel.unit.google},
            "plotType": "LINE",
            "targetAxis": "Y1",
            "legendTemplate": query.legend.replace("{{", "${").replace("}}", "}"),
        }
        for query in at.panel.queries
    ]
    return {"title": at.panel.title, "xyChart": {"dataSets": sets, "yAxis": {"scale": "LINEAR"}}}


def grafana_dashboard() -> dict[str, Any]:
    """Return the dashboard of Grafana, with a variable for the data source."""
    ours = tuple(panel for panel in panels() if not panel.is_of_google)
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "uid": "mcp-ticket-server",
        "title": TITLE,
        "schemaVersion": 39,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
        "panels": [
            {
                "id": number,
                "gridPos": {"x": at.x, "y": at.y, "w": at.width, "h": at.height},
                **_grafana_panel(at, source),
            }
            for number, at in enumerate(placed(ours, columns=24, header=1, height=8), 1)
        ],
    }


def _grafana_panel(at: Place, source: dict[str, str]) -> dict[str, Any]:
    if at.panel is None:
        return {"type": "row", "title": at.section, "collapsed": False, "panels": []}
    targets = [
        {"refId": chr(ord("A") + number), "datasource": source, "expr": query.expr, "legendFormat": query.legend}
        for number, query in enumerate(at.panel.queries)
    ]
    return {
        "type": "timeseries",
        "title": at.panel.title,
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": at.panel.unit.grafana}, "overrides": []},
        "targets": targets,
    }


def dashboard_files() -> dict[Path, str]:
    """Return what the files of the dashboards should contain."""
    made = {GOOGLE: google_dashboard(), GRAFANA: grafana_dashboard()}
    return {path: json.dumps(dashboard, indent=2) + "\n" for path, dashboard in made.items()}
