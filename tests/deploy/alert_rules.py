"""The alert rules as other forms of them: with all windows shortened, and as alerting policies of Cloud Monitoring.

The rule files in `gcp-deploy/monitoring` are the source; `python3 run.py renew` writes the policies. Policies of Cloud
Monitoring know no recording rules, so each has its whole expression. Not tried against Google.
Source: Google's API description monitoring.v3 (AlertPolicy, PrometheusQueryLanguageCondition).
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

FOLDER: Final = Path(__file__).resolve().parents[2] / "gcp-deploy" / "monitoring"
SLO_RULES: Final = FOLDER / "slo.rules.yaml"
RULE_FILES: Final = (SLO_RULES, FOLDER / "rules.yaml")
POLICIES: Final = FOLDER / "policies"

FACTOR: Final = 150
"""Shortens 5 minutes, the shortest range of the rules, to four scrapes."""
SCRAPE: Final = "500ms"
"""Interval of the scrapes that goes with it."""

RECORD: Final = re.compile(r"ticket_server:[a-z_]+:[a-z_0-9]+")
"""The name of a recording rule."""
_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(?P<before>\[|offset |for: |interval: )(?P<number>\d+)(?P<unit>[smhd])\b")
_SEVERITIES: Final = {"page": "CRITICAL", "ticket": "WARNING"}


class Alert(NamedTuple):
    """One alert, with the name and the interval in seconds of its group."""

    name: str
    expr: str
    for_s: int
    severity: str
    annotations: dict[str, str]
    group: str
    interval_s: int


def shortened(text: str, factor: int = FACTOR) -> str:
    """Return a rule file with every range, offset, `for` and interval divided by `factor`.

    Raises:
        ValueError: a duration is not a whole number of milliseconds then.
    """

    def short(found: re.Match[str]) -> str:
        milliseconds, rest = divmod(int(found["number"]) * _UNIT_MS[found["unit"]], factor)
        if rest or not milliseconds:
            raise ValueError(f"{found[0]} / {factor} is not a whole number of milliseconds")
        return f"{found['before']}{milliseconds}ms"

    return _DURATION.sub(short, text)


def seconds(duration: str) -> int:
    """Return a duration such as `5m` in seconds."""
    return int(duration[:-1]) * _UNIT_MS[duration[-1]] // 1_000


@cache
def groups() -> tuple[dict[str, Any], ...]:
    """Return the groups of all rule files."""
    return tuple(group for path in RULE_FILES for group in yaml.safe_load(path.read_text("utf-8"))["groups"])


@cache
def records() -> dict[str, str]:
    """Return the expressions of the recording rules by name."""
    return {rule["record"]: rule["expr"] for group in groups() for rule in group["rules"] if "record" in rule}


@cache
def alerts() -> tuple[Alert, ...]:
    """Return all alerts that Prometheus evaluates."""
    return tuple(
        Alert(
            name=rule["alert"],
            expr=rule["expr"],
            for_s=seconds(rule.get("for", "0s")),
            severity=rule["labels"]["severity"],
            annotations=rule["annotations"],
            group=group["name"],
            interval_s=seconds(group["interval"]),
        )
        for group in groups()
        for rule in group["rules"]
        if "alert" in rule
    )


def alert_names() -> list[str]:
    """Return the names of all alerts that Prometheus evaluates."""
    return [alert.name for alert in alerts()]


def without_records(expr: str) -> str:
    """Return `expr` in one line, with the expressions of recording rules in place of their names."""
    return " ".join(RECORD.sub(lambda found: f"({records()[found[0]].strip()})", expr).split())


def policy(alert: Alert) -> dict[str, Any]:
    """Return `alert` as an alerting policy; apply.sh fills in the notification channel."""
    condition = {
        "query": without_records(alert.expr),
        "duration": f"{alert.for_s}s",
        "evaluationInterval": f"{alert.interval_s}s",
        "ruleGroup": alert.group,
        "alertRule": alert.name,
        "labels": {"severity": alert.severity},
        "disableMetricValidation": True,
    }
    return {
        "displayName": f"{alert.group}/{alert.name}",
        "severity": _SEVERITIES[alert.severity],
        "userLabels": {"application": "ticket-server", "severity": alert.severity},
        "combiner": "OR",
        "conditions": [{"displayName": alert.name, "conditionPrometheusQueryLanguage": condition}],
        "documentation": {
            "subject": f"{alert.name} ({alert.severity})",
            "content": f"{alert.annotations['description']}\n\nRunbook: {alert.annotations['runbook']}",
            "mimeType": "text/markdown",
        },
        "notificationChannels": ["NOTIFICATION_CHANNEL"],
        "alertStrategy": {"autoClose": "1800s", "notificationPrompts": ["OPENED", "CLOSED"]},
    }


def policy_files() -> dict[Path, str]:
    """Return what the files of the policies should contain."""
    return {POLICIES / f"{alert.name}.json": json.dumps(policy(alert), indent=2) + "\n" for alert in alerts()}
