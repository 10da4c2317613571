"""Pages over an API without a total order are complete, in both directions, by every date (cases U7, U8, U13)."""

from pathlib import Path
from typing import Any, Final, Literal

import httpx2
import pytest

from shared.tickets.features import FeatureReader
from shared.tickets.paging import single_tickets, windows
from shared.tickets.paging.completion_order import CompletionOrder
from shared.tickets.paging.single_tickets import SingleTickets
from shared.tickets.paging.windows import TicketWindows
from tests.kills import kills
from tests.shared.given import TICKET, Act, World, hangs, responses, rows_of, world

SORTS = ("receptionDateTime", "scheduledCompletionDate", "completionDate")


async def many(here: World, count: int) -> None:
    """Create tickets that mostly share their dates with others; a third has no date."""
    for number in range(count):
        dates = {} if number % 3 == 0 else {
            "scheduledCompletionDate": f"2026-12-0{number % 4 + 1}", "completionDate": f"2026-11-2{number % 3}"
        }  # fmt: skip
        await here.api.post("/tickets", TICKET | {"statusId": "stat4" if dates else "stat1"} | dates)


async def walk(here: World, **query: Any) -> list[dict[str, Any]]:
    """Follow `nextOffset` to the end."""
    rows: list[dict[str, Any]] = []
    offset: int | None = 0
    while offset is not None:
        page = await here.done("get_ticket_list", offset=offset, **query)
        assert "notes" not in page, page["notes"]
        rows += rows_of(page)
        offset = page.get("nextOffset")
    return rows


async def expected(here: World, sort_by: str, sort_order: str) -> list[str]:
    """Return ids in the requested order: ties by id, tickets without the date last."""
    ids = [row["ticketId"] for row in await here.api.get("/tickets", params={"limit": 150, "showCompleted": True})]
    tickets = [await here.api.get(f"/tickets/{one}") for one in ids]
    reverse = sort_order == "desc"
    dated = sorted((t for t in tickets if t[sort_by]), key=lambda t: (t[sort_by], t["id"]), reverse=reverse)
    undated = sorted((t for t in tickets if not t[sort_by]), key=lambda t: str(t["id"]), reverse=reverse)
    return [ticket["id"] for ticket in dated + undated]


@pytest.mark.parametrize("sort_order", ["asc", "desc"])
@pytest.mark.parametrize("sort_by", SORTS)
@pytest.mark.parametrize("kind", ["existing", "reference"])
async def test_pages_to_the_end_bring_every_ticket_once_in_the_order_asked_for(
    tmp_path: Path, kind: Literal["existing", "reference"], sort_by: str, sort_order: str
) -> None:
    async with world(kind, tmp_path) as here:
        await many(here, 25)

        rows = await walk(here, sortBy=sort_by, sortOrder=sort_order, limit=9)

        assert [row["ticketId"] for row in rows] == await expected(here, sort_by, sort_order)


async def test_pages_are_whole_when_each_is_cut_from_another_window(
    existing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API returns equal dates in a different order each time, so no page may depend on the one before."""
    monkeypatch.setattr(windows, "KEEP_S", 0.0)
    await many(existing, 20)

    for sort_by in SORTS:
        rows = await walk(existing, sortBy=sort_by, limit=4)
        assert [row["ticketId"] for row in rows] == await expected(existing, sort_by, "desc")


async def test_due_next_shows_what_is_due_next(existing: World) -> None:
    page = await existing.done("get_ticket_list", sortBy="scheduledCompletionDate", sortOrder="asc", limit=7)

    everything = await existing.api.get("/tickets", params={"limit": 150, "showCompleted": True})
    earliest = sorted(row["scheduledCompletionDate"] for row in everything if row["scheduledCompletionDate"])[:7]
    assert [row["scheduledCompletionDate"] for row in rows_of(page)] == earliest


SHOWN: Final = ["ticketId", "accountName", "statusName"]


async def test_filters_hold_for_the_window(existing: World) -> None:
    await many(existing, 6)

    rows = await walk(existing, showCompleted=False, accountId="acc1", sortOrder="asc", limit=4, fields=SHOWN)

    assert rows
    assert {row["accountName"] for row in rows} == {"Northwind Rail"}
    assert "Completed" not in {row["statusName"] for row in rows}


async def test_a_window_is_fetched_once_for_its_pages_and_again_after_a_write(existing: World) -> None:
    await existing.done("get_ticket_list", limit=5)
    await existing.done("get_ticket_list", limit=5, offset=5, sortOrder="asc")
    assert existing.wire.sent.count(("GET", "/tickets")) == 1

    created = await existing.done("create_ticket", **TICKET | {"receptionDateTime": "2031-01-01 09:00"})
    first = await existing.done("get_ticket_list", limit=1)

    assert rows_of(first)[0]["ticketId"] == created["ticketId"]


async def test_an_old_window_is_fetched_anew(existing: World) -> None:
    now = 0.0
    kept = TicketWindows(existing.api, FeatureReader(existing.api), clock=lambda: now)
    first = await kept.window({})
    await existing.api.post("/tickets", TICKET | {"receptionDateTime": "2031-01-01 09:00", "summary": "A colleague's"})

    now = windows.KEEP_S - 0.1
    again = await kept.window({})
    now = windows.KEEP_S
    fresh = await kept.window({})

    assert first is not None
    assert again is first
    assert fresh is not None
    assert fresh.rows[0]["summary"] == "A colleague's"


@kills("shared/tickets/paging/windows.py", "is_capped or count > WINDOW", "is_capped")
@pytest.mark.parametrize("sort_by", SORTS)
async def test_beyond_the_window_the_page_says_so(
    existing: World, monkeypatch: pytest.MonkeyPatch, sort_by: str
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 13)

    inside = await existing.done("get_ticket_list", sortBy=sort_by, sortOrder="asc", limit=5)
    beyond = await existing.done("get_ticket_list", sortBy=sort_by, limit=5, offset=10)

    assert "More than 13 tickets match" in inside["notes"][0]
    assert f"sorted only among the 13 that it lists first by {sort_by}" in inside["notes"][0]
    assert "beyond the first 13" in beyond["notes"][0]
    assert beyond["returned"] == 5
    assert inside["hasMore"]
    assert beyond["hasMore"]


async def test_the_latest_of_a_full_window_need_no_words(existing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WINDOW", 13)

    assert "notes" not in await existing.done("get_ticket_list", limit=5)


def capped(most: int) -> Act:
    """Respond with at most `most` rows, whatever was requested, without saying so."""

    async def act(inner: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
        url = request.url.copy_set_param("limit", str(min(most, int(request.url.params["limit"]))))
        return await inner.handle_async_request(httpx2.Request("GET", url, headers=request.headers))

    return act


async def test_an_api_that_caps_the_limit_in_silence_is_noticed(existing: World) -> None:
    existing.wire.when("GET", "/tickets", capped(20), always=True)

    page = await existing.done("get_ticket_list", sortOrder="asc", limit=5)

    assert "More than 20 tickets match" in page["notes"][0]
    assert page["hasMore"]


@pytest.mark.parametrize("act", [hangs, responses(400, {"error": "limit must be at most 200", "field": "limit"})])
async def test_without_a_window_the_apis_own_page_comes_with_a_warning(
    existing: World, monkeypatch: pytest.MonkeyPatch, act: Act
) -> None:
    monkeypatch.setattr(windows, "FETCH_S", 0.05)
    existing.wire.when("GET", "/tickets", act)

    page = await existing.done("get_ticket_list", limit=5)

    assert page["returned"] == 5
    assert "may repeat or miss tickets" in page["notes"][0]


async def test_completion_dates_that_take_too_long_leave_the_apis_order(
    existing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_tickets, "READ_S", 0.05)
    existing.wire.when("GET", "/tickets/TCK-[0-9]+", hangs, always=True)

    page = await existing.done("get_ticket_list", sortBy="completionDate", limit=3)

    assert page["returned"] == 3
    assert "could not all be read in time" in page["notes"][0]


async def test_an_api_that_lists_undated_tickets_last_is_understood(existing: World) -> None:
    await many(existing, 12)
    rows = await existing.api.get("/tickets", params={"limit": 150, "showCompleted": True, "sortBy": "completionDate"})
    dated = [row for row in rows if (await existing.api.get(f"/tickets/{row['ticketId']}"))["completionDate"]]
    undated_last = [*dated, *(row for row in rows if row not in dated)]

    found = await CompletionOrder(SingleTickets(existing.api), undated_last).slice(0, len(rows), descends=False)

    assert [row["ticketId"] for row in found] == await expected(existing, "completionDate", "asc")


async def test_a_page_of_completion_dates_reads_few_tickets(existing: World) -> None:
    for number in range(120):
        done = f"2026-{number % 11 + 1:02}-{number % 28 + 1:02}"
        await existing.api.post("/tickets", TICKET | {"statusId": "stat4", "completionDate": done})
    existing.wire.sent.clear()

    await existing.done("get_ticket_list", sortBy="completionDate", limit=10, offset=40)

    assert len(existing.wire.sent) <= 60


async def test_what_is_no_list_of_tickets_is_a_fault_of_the_api(existing: World) -> None:
    existing.wire.when("GET", "/tickets", responses(200, [{"unexpected": True}]), always=True)

    _, error = await existing.refused("get_ticket_list")

    assert error["kind"] == "upstream_fault"


async def test_an_api_with_a_total_order_is_asked_for_the_page_alone(reference: World) -> None:
    page = await reference.done("get_ticket_list", sortBy="completionDate", sortOrder="asc", limit=3)

    assert page["returned"] == 3
    pages = [path for _, path in reference.wire.sent if not path.startswith("/tickets/master/")]
    assert pages == ["/health", "/tickets"]
