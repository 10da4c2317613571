"""Each alert fires when it should, stays quiet just below, and clears, with its real windows (promtool)."""

import subprocess
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.debian import program
from tests.deploy.alert_cases import CASES, Case, series
from tests.deploy.alert_rules import RECORD, RULE_FILES, alert_names, alerts, seconds, shortened, without_records
from tests.deploy.dashboards import panels

LIMIT_S: Final = 60
TEXTS: Final = tuple(path.read_text("utf-8") for path in RULE_FILES)
pytestmark = pytest.mark.debian("promtool")


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [program("promtool"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def unit_test(case: Case, files: Sequence[Path]) -> dict[str, Any]:
    """Return the test file of `promtool` for one case."""
    severity = {alert.name: alert.severity for alert in alerts()}[case.alert]
    firing = f'ALERTS{{alertname="{case.alert}",alertstate="firing"'
    sample = {"labels": f'{firing},severity="{severity}"}}', "value": 1}
    looks = [
        {
            "expr": f"{firing}}}",
            "eval_time": f"{(step - 1) * seconds(case.step)}s",
            "exp_samples": [sample] if fires else [],
        }
        for step, fires in zip(accumulate(case.steps), case.fires, strict=True)
    ]
    test = {"interval": case.step, "input_series": series(case), "promql_expr_test": looks}
    return {"rule_files": list(map(str, files)), "evaluation_interval": case.step, "tests": [test]}


def outcome(case: Case, folder: Path, texts: Sequence[str] = TEXTS) -> str:
    """Return what `promtool` complains about; empty if the alert does as the case says.

    Only the alert and its recording rules are evaluated, for speed.
    """
    rules = folder / "rules.yaml"
    groups = [group for text in texts for group in yaml.safe_load(text)["groups"]]
    (expr,) = (rule["expr"] for group in groups for rule in group["rules"] if rule.get("alert") == case.alert)
    for group in groups:
        group["rules"] = [
            rule
            for rule in group["rules"]
            if rule.get("alert", rule.get("record")) in {case.alert, *RECORD.findall(expr)}
        ]
    rules.write_text(yaml.safe_dump({"groups": groups}), "utf-8")
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump(unit_test(case, [rules])), "utf-8")
    done = promtool("test", "rules", path)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_alert_fires_stays_quiet_just_below_and_clears(case: Case, tmp_path: Path) -> None:
    assert outcome(case, tmp_path) == ""


def untested(names: Iterable[str]) -> set[str]:
    """Return the alerts that no case fires, or none ends."""
    fired = {case.alert for case in CASES if any(case.fires)}
    cleared = {case.alert for case in CASES if (True, False) in pairwise(case.fires)}
    return set(names) - (fired & cleared)


def test_every_alert_has_a_case_that_fires_it_and_ends_it() -> None:
    assert untested(alert_names()) == set()
    assert untested(["AlertOfTomorrow", "KeysRefused"]) == {"AlertOfTomorrow"}


@pytest.mark.parametrize("text", TEXTS, ids=[path.name for path in RULE_FILES])
@pytest.mark.parametrize("factor", [1, 150, 300])
def test_promtool_accepts_the_rules_with_any_windows(text: str, factor: int, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(shortened(text, factor), "utf-8")

    checked = promtool("check", "rules", path)

    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("alert", "old", "new"),
    [
        ("BrokerUnreachable", "ticket_server_broker_up", "ticket_server_broker_upp"),
        ("KeysRefused", 'kind="unauthenticated"', 'kind="unauthorized"'),
        ("AuditEventsLost", "offset 15m", "offset 25m"),
        ("AvailabilityBurnsFast", "rate5m > 14.4", "rate30m > 14.4"),
        ("AvailabilityBurns", "> 6 * 0.005", "> 7 * 0.005"),
        ("NoInstanceServes", "for: 2m", "for: 1m"),
    ],
    ids=lambda value: str(value).split(" ")[0],
)
def test_a_planted_mistake_in_a_rule_is_found(alert: str, old: str, new: str, tmp_path: Path) -> None:
    texts = [text.replace(old, new) for text in TEXTS]
    assert texts != list(TEXTS)

    assert any(outcome(case, tmp_path, texts) for case in CASES if case.alert == alert)


def parsed(expressions: Iterable[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Let `promtool` parse expressions, as recording rules."""
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(expressions)]
    path = folder / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), "utf-8")
    return promtool("check", "rules", path)


def test_promtool_parses_every_panel_and_every_policy(tmp_path: Path) -> None:
    shown = [query.expr for panel in panels() for query in panel.queries]

    checked = parsed(dict.fromkeys([*shown, *(without_records(alert.expr) for alert in alerts())]), tmp_path)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert parsed(["sum by wire (rate(x[5m]))"], tmp_path).returncode != 0
