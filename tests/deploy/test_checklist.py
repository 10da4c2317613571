"""gcp-deploy/CHECKLIST.md names files, settings and tests that exist, for each of its rows."""

import re
from typing import Final

import pytest

from tests.processes import ROOT

PAGE: Final = ROOT / "gcp-deploy" / "CHECKLIST.md"
_PLACE: Final = re.compile(r"`([^`]+)`")


def rows(page: str) -> list[list[str]]:
    """Return the cells of each row of the page's tables, without their heads."""
    lines = re.findall(r"^\| (.*) \|$", page, re.MULTILINE)
    return [line.split(" | ") for line in lines if not line.endswith("| where")]


def fault(place: str) -> str:
    """Return what is wrong with `file` or `file::name`; an empty text if it leads somewhere.

    The name of a test is that of a function; any other name stands in the file as a word.
    """
    file, _, name = place.partition("::")
    path = ROOT / file
    if not path.is_file():
        return f"{file} is no file"
    text = path.read_text("utf-8")
    if name.startswith("test_"):
        found = re.search(rf"^\s*(async )?def {re.escape(name)}\(", text, re.MULTILINE)
    else:
        found = re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)
    return "" if found or not name else f"{file} has no {name}"


def faults(page: str) -> list[str]:
    """Return what is wrong with a checklist."""
    wrong = []
    for row in rows(page):
        places = _PLACE.findall(row[-1]) if len(row) == 3 else []
        wrong += [fault(place) for place in places] if places else [f"no place: {row[0]}"]
    return [one for one in wrong if one]


def test_each_row_leads_to_files_settings_and_tests_that_exist() -> None:
    page = PAGE.read_text("utf-8")

    assert len(rows(page)) >= 60
    assert faults(page) == []


def test_most_rows_have_a_test_or_a_setting() -> None:
    """A file alone says little; a few pages and programs are themselves the answer."""
    alone = [row[0] for row in rows(PAGE.read_text("utf-8")) if "::" not in row[-1]]

    assert len(alone) <= 4


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "gcp-deploy/production/mcp-ticket-server.yaml::timeoutSeconds",
            "gcp-deploy/production/gone.yaml::timeoutSeconds",
        ),
        ("::MCP_BROKER_URL", "::MCP_BROKER"),
        ("::test_an_idle_stream_gets_heartbeats", "::test_an_idle_stream"),
        ("::run.googleapis.com/maxScale", "::autoscaling.knative.dev/maxScale"),
    ],
)
def test_a_planted_dead_place_is_found(old: str, new: str) -> None:
    page = PAGE.read_text("utf-8")

    assert old in page
    assert len(faults(page.replace(old, new, 1))) == len(faults(page)) + 1


def test_a_row_without_a_place_is_found() -> None:
    assert faults("| fact | what follows here | where |\n|---|---|---|\n| a | b | nowhere |\n") == ["no place: a"]
