"""docs/operations.md has a section for each alert, at the address that the alert names, and so has its Japanese."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.processes import ROOT

MONITORING: Final = ROOT / "gcp-deploy" / "monitoring"
PAGES: Final = (ROOT / "docs" / "operations.md", ROOT / "docs" / "operations.ja.md")
_RUNBOOK: Final = re.compile(r"docs/operations\.md#([\w-]+)")
_SCRIPT: Final = re.compile(r"^(?:export IMAGE=\$\()?(gcp-deploy/[\w/.-]+)", re.MULTILINE)


def alerts() -> Iterator[tuple[str, str]]:
    """Yield the name of each alert and the text that leads to its runbook."""
    for file in MONITORING.glob("*rules.yaml"):
        for group in yaml.safe_load(file.read_text("utf-8"))["groups"]:
            yield from ((rule["alert"], rule["annotations"]["runbook"]) for rule in group["rules"] if "alert" in rule)
    for file in (*MONITORING.glob("policies/*.json"), *MONITORING.glob("google-policies/*.json")):
        yield file.stem, json.loads(file.read_text("utf-8"))["documentation"]["content"]


def anchors(page: str) -> list[str]:
    """Return the addresses of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads]


def faults(page: str, leading: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the sections of a page.

    Args:
        page: its text.
        leading: the text that leads to the section of each alert.
    """
    found = re.findall(r"^### Alert: (\w+)$", page, re.MULTILINE)
    wrong = [f"{name} has no section" for name in leading if name not in found]
    wrong += [f"{name} is no alert" for name in found if name not in leading]
    there = anchors(page)
    for name, text in leading.items():
        (anchor,) = _RUNBOOK.findall(text) or [""]
        if anchor != f"alert-{name.lower()}" or anchor not in there:
            wrong.append(f"{name} leads to #{anchor}")
    wrong += [f"#{link} leads nowhere" for link in re.findall(r"\]\(#([^)]+)\)", page) if link not in there]
    return wrong


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_each_alert_has_its_section_where_its_runbook_says(path: Path) -> None:
    leading = dict(alerts())

    assert len(leading) >= 30
    assert faults(path.read_text("utf-8"), leading) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_each_section_says_what_to_look_at_what_to_do_and_what_clients_notice(path: Path) -> None:
    sections = re.split(r"^### Alert: ", path.read_text("utf-8"), flags=re.MULTILINE)[1:]

    assert all(len(re.findall(r"^- \*\*", section, re.MULTILINE)) == 3 for section in sections)
    assert all(re.match(r"\w+\n\n(page|ticket)\b", section, re.IGNORECASE) for section in sections)


def test_a_severity_is_that_of_the_alert() -> None:
    shown = dict(re.findall(r"^### Alert: (\w+)\n\n(Page|Ticket)\. ", PAGES[0].read_text("utf-8"), re.MULTILINE))
    files = [*MONITORING.glob("policies/*.json"), *MONITORING.glob("google-policies/*.json")]
    subjects = {file.stem: json.loads(file.read_text("utf-8"))["documentation"]["subject"] for file in files}

    assert {name: re.findall(r"\((page|ticket)\)", subject) for name, subject in subjects.items()} == {
        name: [severity.lower()] for name, severity in shown.items()
    }


@pytest.mark.parametrize("planted", ["- `Alert", "### Alert: NoSuchAlert\n", "[x](#nowhere)"])
def test_a_planted_mistake_is_found(planted: str) -> None:
    page, leading = PAGES[0].read_text("utf-8"), dict(alerts())

    broken = page.replace("### Alert", planted, 1) if planted.startswith("- ") else f"{page}\n{planted}"
    assert len(faults(broken, leading)) >= 1


def test_a_runbook_that_leads_elsewhere_is_found() -> None:
    leading = {**dict(alerts()), "UptimeFails": "docs/operations.md#alert-uptime"}

    assert faults(PAGES[0].read_text("utf-8"), leading) == ["UptimeFails leads to #alert-uptime"]


def test_every_script_that_it_starts_is_there() -> None:
    named = _SCRIPT.findall(PAGES[0].read_text("utf-8"))

    assert len(named) >= 5
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_setting_that_it_names_exists() -> None:
    named = set(re.findall(r"\b(MCP_[A-Z_]+)", PAGES[0].read_text("utf-8")))
    settings = set(re.findall(r"^\| `(MCP_\w+)`", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE))

    assert len(named) >= 5
    assert named <= settings
