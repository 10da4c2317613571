"""What Cloud Monitoring gets fits Google's own description of its API, strictly, and each planted mistake is found."""

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.deploy.alert_rules import FOLDER, POLICIES, Alert, alert_names, alerts, policy_files
from tests.deploy.cloud_run_lint import strict
from tests.deploy.dashboards import GOOGLE, GRAFANA, grafana_dashboard

GOOGLE_POLICIES: Final = FOLDER / "google-policies"
UPTIME: Final = FOLDER / "uptime.json"
SCHEMAS: Final = MappingProxyType({
    GOOGLE: ("monitoring.v1", "Dashboard"),
    UPTIME: ("monitoring.v3", "UptimeCheckConfig"),
})  # fmt: skip
"""All other files are policies."""
RUNBOOK: Final = re.compile(r"docs/operations\.md#alert-([a-z]+)$")
POLICY_FILES: Final = sorted([*POLICIES.glob("*.json"), *GOOGLE_POLICIES.glob("*.json")])
HIGHEST_GRAFANA_SCHEMA: Final = 39
"""That of Grafana 10.4 to 11; later versions convert it."""


@cache
def validator(document: str, schema: str) -> Draft202012Validator:
    """Return the strict JSON Schema of an object of one of Google's APIs."""
    text = (files("googleapiclient") / "discovery_cache" / "documents" / f"{document}.json").read_text("utf-8")
    definitions = {name: strict(node) for name, node in json.loads(text)["schemas"].items()}
    return Draft202012Validator({"$defs": definitions, "$ref": f"#/$defs/{schema}"})


def faults(path: Path, text: str) -> Iterator[str]:
    """Yield what Google would refuse in the text of a file, and what is missing for people."""
    value = json.loads(text)
    document, schema = SCHEMAS.get(path, ("monitoring.v3", "AlertPolicy"))
    yield from (error.message for error in validator(document, schema).iter_errors(value))
    if schema == "AlertPolicy":
        yield from faults_of_policy(value)


def faults_of_policy(policy: dict[str, Any]) -> Iterator[str]:
    """Yield what the schema of a policy cannot say."""
    name = policy["displayName"].rpartition("/")[2]
    said = RUNBOOK.search(policy["documentation"]["content"])
    if said is None or said[1] != name.lower():
        yield "no runbook of its own"
    if policy["notificationChannels"] != ["NOTIFICATION_CHANNEL"]:
        yield "notifies no channel"
    for condition in policy["conditions"]:
        query = condition.get("conditionPrometheusQueryLanguage")
        if query is not None and int(query["evaluationInterval"].removesuffix("s")) % 30:
            yield "evaluationInterval is not a multiple of 30 s"
        is_of_log = "conditionMatchedLog" in condition
        if is_of_log != ("notificationRateLimit" in policy["alertStrategy"]):
            yield "notificationRateLimit goes with conditionMatchedLog"


@pytest.mark.parametrize("path", [*POLICY_FILES, *SCHEMAS], ids=lambda path: path.stem)
def test_what_google_gets_is_valid(path: Path) -> None:
    assert list(faults(path, path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    ("path", "old", "new", "fault"),
    [
        (POLICIES / "KeysRefused.json", '"duration"', '"durations"', "'durations' was unexpected"),
        (POLICIES / "KeysRefused.json", '"WARNING"', '"WARN"', "'WARN' is not one of"),
        (POLICIES / "KeysRefused.json", '"30s"', '"20s"', "multiple of 30 s"),
        (POLICIES / "KeysRefused.json", "#alert-keysrefused", "#alert-callsqueue", "no runbook"),
        (POLICIES / "KeysRefused.json", '"NOTIFICATION_CHANNEL"', "", "notifies no channel"),
        (GOOGLE_POLICIES / "DatabaseDisk.json", "_MAX", "_MOST", "'REDUCE_MOST' is not one of"),
        (GOOGLE_POLICIES / "NoInstanceAvailable.json", '"filter"', '"filters"', "'filters' was unexpected"),
        (GOOGLE_POLICIES / "NoInstanceAvailable.json", "notificationRateLimit", "x", "goes with conditionMatchedLog"),
        (GOOGLE, '"xyChart"', '"xyCharts"', "'xyCharts' was unexpected"),
        (UPTIME, '"useSsl"', '"useTls"', "'useTls' was unexpected"),
    ],
)
def test_a_planted_mistake_is_found(path: Path, old: str, new: str, fault: str) -> None:
    text = path.read_text("utf-8")
    assert old in text

    assert any(fault in one for one in faults(path, text.replace(old, new)))


def test_there_is_a_policy_for_each_alert_and_no_other_one() -> None:
    """`tests/test_renew.py` compares their contents with the rules."""
    assert set(POLICIES.iterdir()) == set(policy_files())
    assert not {path.stem for path in GOOGLE_POLICIES.iterdir()} & set(alert_names())


def faults_of_alert(alert: Alert) -> Iterator[str]:
    """Yield what a person who is woken by the alert would miss."""
    if alert.severity not in {"page", "ticket"}:
        yield "severity"
    yield from (what for what in ("summary", "description", "runbook") if what not in alert.annotations)
    if "Look at" not in alert.annotations.get("description", ""):
        yield "what to look at"
    if alert.annotations.get("runbook") != f"docs/operations.md#alert-{alert.name.lower()}":
        yield "runbook of its own"


def test_each_alert_says_what_to_look_at_and_has_a_runbook() -> None:
    assert {alert.name: missing for alert in alerts() if (missing := list(faults_of_alert(alert)))} == {}


def test_an_alert_without_them_is_found() -> None:
    alert = alerts()[0]._replace(severity="warning", annotations={"description": "It is bad."})

    assert list(faults_of_alert(alert)) == ["severity", "summary", "runbook", "what to look at", "runbook of its own"]


def test_grafana_can_import_its_dashboard_into_any_data_source() -> None:
    dashboard = json.loads(GRAFANA.read_text("utf-8"))

    assert dashboard == grafana_dashboard()
    assert dashboard["schemaVersion"] <= HIGHEST_GRAFANA_SCHEMA
    assert [one["type"] for one in dashboard["templating"]["list"]] == ["datasource"]
    shown = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert shown
    for panel in shown:
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_no_two_charts_overlap() -> None:
    tiles = json.loads(GOOGLE.read_text("utf-8"))["mosaicLayout"]["tiles"]
    panels = [panel["gridPos"] for panel in json.loads(GRAFANA.read_text("utf-8"))["panels"]]

    for places in (
        [(t["xPos"], t["yPos"], t["width"], t["height"]) for t in tiles],
        [tuple(p.values()) for p in panels],
    ):
        cells = [(x + i, y + j) for x, y, width, height in places for i in range(width) for j in range(height)]
        assert len(cells) == len(set(cells))


def test_policies_on_cloud_run_name_the_service_and_its_largest_number_of_instances() -> None:
    loaded = [yaml.safe_load(path.read_text("utf-8")) for path in FOLDER.parent.rglob("*.yaml")]
    services = [one for one in loaded if isinstance(one, dict) and one.get("kind") == "Service"]
    known = {service["metadata"]["name"] for service in services}
    texts = [path.read_text("utf-8") for path in GOOGLE_POLICIES.iterdir()]
    named = {name for text in texts for name in re.findall(r'service_name=\\"([^"\\]+)', text)}

    assert named
    assert named <= known
    condition = json.loads((GOOGLE_POLICIES / "InstancesAtMaximum.json").read_text("utf-8"))["conditions"][0]
    annotations = [one["metadata"]["annotations"] for one in services if one["metadata"]["name"] in named]
    most = {int(one["run.googleapis.com/maxScale"]) for one in annotations} - {1}  # a pilot has one
    assert most <= {condition["conditionThreshold"]["thresholdValue"] + 1}
