"""What a month costs: the tables of docs/cost.md are computed, and the prices behave as Google bills."""

import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from capacity import cost_page
from capacity.bill import MONTH_S, break_even, instance_based, request_based
from capacity.figures import figures, prices
from capacity.layouts import LAYOUTS, Layout, cost
from tests.processes import ROOT

GIB = 0.5


@pytest.mark.parametrize("path", cost_page.PAGES, ids=lambda path: path.name)
def test_the_pages_say_what_is_computed(path: Path) -> None:
    text = path.read_text("utf-8")

    assert text.count("<!-- /") == 3
    assert cost_page.page(path.name, text) == text, "run `python -m capacity`, then read the diff"
    assert f"{cost_page.break_even_percent()} %" in text


def test_another_price_changes_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    dearer = replace(prices(), yen=200)
    monkeypatch.setattr(cost_page, "prices", lambda: dearer)
    text = cost_page.PAGES[0].read_text("utf-8")

    assert cost_page.page("cost.md", text) != text


def test_both_languages_have_the_same_numbers() -> None:
    english, japanese = (
        [row.split("|")[2:] for row in path.read_text("utf-8").splitlines() if row.startswith("| ") and "¥" not in row]
        for path in cost_page.PAGES
    )
    numbers = [row for row in english if row[0].strip(" 0123456789,.—") == ""]

    assert numbers == [row for row in japanese if row[0].strip(" 0123456789,.—") == ""]
    assert len(numbers) > 15


def test_a_months_bill_is_the_published_example() -> None:
    """One vCPU and 512 MiB for 730 hours: worked by hand from the prices."""
    assert instance_based(MONTH_S, GIB, prices()) == pytest.approx(49.93, abs=0.01)
    assert instance_based(MONTH_S, GIB, prices(), free=True) == pytest.approx(44.71, abs=0.01)
    assert request_based(0, GIB, prices(), idle_seconds=MONTH_S) == pytest.approx(9.86, abs=0.01)
    assert request_based(MONTH_S, GIB, prices()) == pytest.approx(66.36, abs=0.01)


def test_below_the_break_even_requests_are_cheaper_and_above_it_instances() -> None:
    part = break_even(GIB, prices())

    def by_requests(active: float) -> float:
        return request_based(active * MONTH_S, GIB, prices(), idle_seconds=(1 - active) * MONTH_S)

    always = instance_based(MONTH_S, GIB, prices())
    assert by_requests(part) == pytest.approx(always)
    assert by_requests(part - 0.01) < always < by_requests(part + 0.01)


def test_only_requests_above_the_free_ones_cost() -> None:
    assert request_based(0, GIB, prices(), requests=2e6) == 0
    assert request_based(0, GIB, prices(), requests=3e6) == pytest.approx(0.40)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_more_users_never_cost_less_until_a_layout_is_too_small(layout: Layout) -> None:
    found = [cost(layout, users, figures(), prices()) for users in (1, 50, 500, 5_000)]

    assert found[0] is not None
    for fewer, more in pairwise(found):
        assert more is None or (fewer is not None and more.total >= fewer.total)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_a_layout_is_billed_as_its_files_say(layout: Layout) -> None:
    folder = ROOT / "gcp-deploy" / layout.name.split("`")[1]

    def scaling(service: str) -> tuple[str, str, str]:
        text = (folder / f"{service}.yaml").read_text("utf-8")
        names = ("maxScale", "minScale", "cpu-throttling")
        values = [re.findall(rf'run\.googleapis\.com/{name}: "(\w+)"', text) for name in names]
        return (values[0][0], values[1][0], values[2][0])

    always = ("1", "false") if layout.always else ("0", "true")
    assert scaling("mcp-ticket-server") == (str(layout.most), *always)
    if layout.api_most:
        assert scaling("ticket-api") == (str(layout.api_most), "1", "true"), "kept, unless the row says otherwise"
        assert layout.api_kept or "`minScale: 0`" in layout.name
    else:
        assert not (folder / "ticket-api.yaml").exists()


def test_the_budget_of_the_design_pays_for_a_pilot_and_not_for_its_own_settings() -> None:
    low, high = (yen / prices().yen for yen in (2_500, 4_200))
    pilot = cost(LAYOUTS[1], 100, figures(), prices())

    assert pilot is not None
    assert low < pilot.total < high
    assert instance_based(MONTH_S, GIB, prices(), free=True) > 1.5 * high


def test_the_calculator_prints_each_layout_for_a_number_of_users() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "capacity", *arguments]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False, timeout=60
        )

    printed = run("250")

    assert printed.returncode == 0
    assert all(f"| {layout.name} |" in printed.stdout for layout in LAYOUTS)
    assert "the number of users must be positive" in run("0").stderr
