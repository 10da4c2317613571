"""Reports over an API without statistics: what is counted of more tickets than it returns at once."""

from typing import Any, Final

import pytest

from shared.tickets.paging import windows
from tests.shared.given import World, hangs, rows_of
from tests.shared.tickets.test_windows import COUNT, put
from tests.standin.model import Api

OPEN: Final = COUNT // 10


@pytest.fixture
def model(existing: World) -> Api:
    """The stand-in's tables: more tickets than a window, of which every tenth is open."""
    inner: Any = existing.wire.inner
    model: Api = inner._app.state.api
    template = model.tickets["TCK-0001"]
    model.tickets.clear()
    for number in range(1, COUNT + 1):
        put(model, template, number)
    return model


async def test_of_more_than_a_window_the_open_ones_are_counted(existing: World, model: Api) -> None:
    found = await existing.done("get_ticket_report", groupBy="status", **{"from": "2026-08-01", "to": "2026-08-10"})

    received = [one for one in model.tickets.values() if "2026-08-01" <= one["receptionDateTime"][:10] <= "2026-08-10"]
    completed = [one for one in model.tickets.values() if "2026-08-01" <= (one["completionDate"] or "") <= "2026-08-10"]
    totals = found["totals"]
    assert (totals["count"], totals["open"]) == (OPEN, OPEN)
    assert (totals["received"], totals["completed"]) == (len(received), len(completed))
    assert {row["status"]: row["count"] for row in rows_of(found)} == {
        **{name: sum(one["statusName"] == name for one in model.tickets.values()) for name in ("Open", "In progress")},
        "Waiting": sum(one["statusName"] == "Waiting" for one in model.tickets.values()),
        "Completed": 0,
    }
    assert found["notes"] == [
        "More than 2,000 tickets match, which this ticket API cannot count: of them, the open ones alone are counted "
        "here."
    ]


async def test_more_open_ones_than_a_window_are_counted_in_part_and_that_is_said(existing: World, model: Api) -> None:
    for ticket in model.tickets.values():
        ticket |= {"statusId": "stat1", "statusName": "Open", "completionDate": None}

    found = await existing.done("get_ticket_report")

    assert found["totals"]["count"] == windows.WINDOW
    assert found["notes"][-1] == ("Only the 2,000 received last were counted; narrow by person, account or status.")


async def test_channels_of_many_tickets_are_not_read(existing: World, model: Api) -> None:
    text, error = await existing.refused("get_ticket_report", groupBy="channel")

    assert f"at most 100 can be read, and {OPEN:,} match" in text
    assert error["field"] == "groupBy"
    assert not any(path.startswith("/tickets/TCK") for _, path in existing.wire.sent)


async def test_without_a_window_nothing_is_counted(existing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "FETCH_S", 0.1)
    existing.wire.when("GET", "/tickets", hangs, always=True)

    text, error = await existing.refused("get_ticket_report")

    assert error["kind"] == "invalid_input"
    assert "does not return all matching tickets at once, so they cannot be counted" in text


async def test_tickets_without_a_readable_value_are_counted_all_the_same(existing: World) -> None:
    inner: Any = existing.wire.inner
    model: Api = inner._app.state.api
    model.tickets["TCK-0003"] |= {"personInChargeName": None, "scheduledCompletionDate": "2026-11-27"}

    found = await existing.done("get_ticket_report", groupBy="person")

    assert {row["person"]: row["count"] for row in rows_of(found)}["(none)"] == 1
    assert found["totals"]["count"] == len(model.tickets)
