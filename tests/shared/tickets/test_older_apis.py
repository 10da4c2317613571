"""Ticket APIs between the existing one and the newest reference API get what they can, and a plain sentence else."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest

from shared.errors import InvalidInputError, UpstreamFaultError
from shared.tickets.features import (
    CATEGORY_FILTER,
    CURSOR,
    DATE_RANGES,
    SEARCH_HISTORY,
    SEARCH_WORDS,
    SEVERAL_STATUSES,
    TOTAL_COUNT,
    TOTAL_ORDER,
)
from shared.tickets.paging import windows
from shared.tickets.paging.list_query import needed
from shared.tickets.selection import TicketFilters, TicketSelection
from tests.shared.given import TICKET, Act, World, hangs, responses, world
from tests.shared.tickets.paged import ids, pages_of, walked
from tests.standin.model import Api


def health(*features: str, zone: str | None = None) -> Act:
    return responses(200, {"status": "OK", "features": list(features), "timeZone": zone})


def at_most(most: int, before: Callable[[int], Awaitable[None]] | None = None) -> Act:
    """Refuse a higher `limit`, as the reference API does; `before` is called before each page, with its offset."""

    async def act(inner: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
        if int(request.url.params["limit"]) > most:
            return await responses(400, {"error": "limit must be at most 200", "field": "limit"})(inner, request)
        if before is not None:
            await before(int(request.url.params["offset"]))
        return await inner.handle_async_request(request)

    return act


@pytest.fixture
def model(existing: World) -> Api:
    """The stand-in with 500 tickets of different minutes, so that its order is a total one."""
    inner: Any = existing.wire.inner
    model: Api = inner._app.state.api
    template = model.tickets["TCK-0001"]
    model.tickets = {
        f"TCK-{number:04}": template
        | {
            "id": f"TCK-{number:04}",
            "receptionDateTime": f"2026-08-{number // 24 + 1:02} {number % 24:02}:00",
            "categoryName": "Request" if number % 2 else "Incident",
        }
        for number in range(1, 501)
    }
    return model


async def test_an_api_with_a_total_order_and_small_pages_is_read_in_pieces(existing: World, model: Api) -> None:
    existing.wire.when("GET", "/health", health(TOTAL_ORDER, SEARCH_WORDS), always=True)
    existing.wire.when("GET", "/tickets", at_most(200), always=True)

    page = await pages_of(existing).page(
        TicketSelection(filters=TicketFilters(category_id="cat2"), limit=400, descends=False)
    )

    assert ids(page) == [one for one, ticket in model.tickets.items() if ticket["categoryName"] == "Request"]
    assert (page.total, page.notes) == (250, ())


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "new"])
async def test_pieces_skip_nothing_while_tickets_come_and_go(existing: World, model: Api, is_removed: bool) -> None:
    """A ticket that leaves the list moves all others up, over the end of a piece that was read before."""
    held = [one for one, ticket in model.tickets.items() if ticket["categoryName"] == "Request" and one < "TCK-0490"]
    offsets: list[int] = []

    async def change(offset: int) -> None:
        offsets.append(offset)
        if is_removed and len(offsets) == 2:
            for number in (495, 496):
                model.tickets[f"TCK-{number:04}"]["statusId"] = "stat4"
        if not is_removed:
            await existing.api.post("/tickets", TICKET | {"receptionDateTime": "2031-01-01 09:00"})

    existing.wire.when("GET", "/health", health(TOTAL_ORDER), always=True)
    existing.wire.when("GET", "/tickets", at_most(200, change), always=True)
    filters = TicketFilters(category_id="cat2", completed=False)

    page = await pages_of(existing).page(TicketSelection(filters=filters, limit=400, descends=False))

    assert [one for one in ids(page) if one in {*held}] == held
    assert len({*ids(page)}) == len(page.rows)
    assert (offsets.count(0) > 1) is is_removed


async def test_tickets_that_move_all_the_time_are_not_taken_for_a_whole_list(existing: World, model: Api) -> None:
    async def remove(offset: int) -> None:
        if offset:
            for one in list(model.tickets)[-3:]:
                del model.tickets[one]

    existing.wire.when("GET", "/health", health(TOTAL_ORDER), always=True)
    existing.wire.when("GET", "/tickets", at_most(200, remove), always=True)

    with pytest.raises(InvalidInputError, match="does not return all matching tickets at once"):
        await pages_of(existing).page(TicketSelection(filters=TicketFilters(category_id="cat2")))


@pytest.mark.parametrize(
    ("filters", "feature"),
    [
        ({"search": "vpn"}, SEARCH_WORDS),
        ({"status_ids": ("stat1", "stat2")}, SEVERAL_STATUSES),
        ({"category_id": "cat1"}, CATEGORY_FILTER),
        *(({name: "2026-11-01"}, DATE_RANGES) for name in ("received_from", "received_to")),
        *(({name: "2026-11-01"}, DATE_RANGES) for name in ("completed_from", "completed_to", "updated_since")),
        ({"status_ids": ("stat1",), "person_in_charge_id": "user1", "account_id": "acc1", "due_to": "2026-11-01"}, ""),
    ],
    ids=["words", "statuses", "category", "from", "to", "done", "done to", "since", "old ones"],
)
def test_an_api_gets_only_the_filters_that_it_names(filters: dict[str, Any], feature: str) -> None:
    selection = TicketSelection(filters=TicketFilters(**filters))

    assert needed(selection) == {TOTAL_ORDER, feature} - {""}
    assert needed(replace(selection, cursor="x")) == {TOTAL_ORDER, CURSOR, feature} - {""}


@pytest.mark.parametrize(
    ("selected", "named"),
    [
        ({"filters": TicketFilters(category_id="cat1", updated_since="2026-11-01T00:00:00Z")}, "category and date of"),
        ({"filters": TicketFilters(completed_to="2026-11-01")}, "date of completion"),
        ({"filters": TicketFilters(), "cursor": "rd:2026-11-20T03:04/TCK-0001"}, "cursor"),
    ],
    ids=["filters", "completed", "cursor"],
)
@pytest.mark.parametrize("act", [hangs, at_most(200)], ids=["slow", "refused"])
async def test_without_a_window_a_plain_sentence_says_what_cannot_be_done(
    existing: World, monkeypatch: pytest.MonkeyPatch, act: Act, selected: dict[str, Any], named: str
) -> None:
    monkeypatch.setattr(windows, "FETCH_S", 0.05)
    existing.wire.when("GET", "/tickets", act, always=True)

    with pytest.raises(InvalidInputError, match=f"this list cannot be made with {named}"):
        await pages_of(existing).page(TicketSelection(**selected))


async def test_days_are_those_of_the_zone_shown_whichever_api(tmp_path: Path) -> None:
    """An evening on the API's clock is mostly the next day in Tokyo; the second API has no filters."""
    for features in (None, ()):
        async with world("reference", tmp_path / str(features)) as here:
            zone = (await here.api.get("/health"))["timeZone"]
            shown = datetime(2001, 2, 3, 20, tzinfo=ZoneInfo(zone)).astimezone(ZoneInfo("Asia/Tokyo")).date()
            if features is not None:
                here.wire.when("GET", "/health", health(TOTAL_ORDER, zone=zone), always=True)
            await here.api.post("/tickets", TICKET | {"receptionDateTime": "2001-02-03 20:00", "summary": "Late"})
            pages = pages_of(here, zone="Asia/Tokyo")

            for day, expected in ((shown, ["Late"]), (shown - timedelta(1), []), (shown + timedelta(1), [])):
                filters = TicketFilters(received_from=str(day), received_to=str(day))
                page = await pages.page(TicketSelection(filters=filters))
                assert [row["summary"] for row in page.rows] == expected, day


@pytest.mark.parametrize(
    "response",
    [None, [], "x", {}, {"tickets": None, "total": 3}, {"tickets": {"a": 1}, "nextCursor": "x"}],
    ids=["null", "array", "text", "empty", "nothing", "object"],
)
async def test_what_is_no_page_is_a_fault_of_the_api(existing: World, response: Any) -> None:
    existing.wire.when("GET", "/health", health(TOTAL_ORDER, TOTAL_COUNT, CURSOR), always=True)
    existing.wire.when("GET", "/tickets", responses(200, response), always=True)

    with pytest.raises(UpstreamFaultError):
        await pages_of(existing).page(TicketSelection(filters=TicketFilters()))


async def test_odd_totals_and_cursors_are_not_passed_on(existing: World) -> None:
    odd: dict[str, Any] = {"tickets": [], "total": "many", "totalIsExact": None, "nextCursor": 7}
    existing.wire.when("GET", "/health", health(TOTAL_ORDER, TOTAL_COUNT, CURSOR), always=True)
    existing.wire.when("GET", "/tickets", responses(200, odd), always=True)

    page = await pages_of(existing).page(TicketSelection(filters=TicketFilters()))

    assert (page.total, page.next_cursor, page.has_more) == (None, None, False)


async def test_a_search_says_that_comments_were_searched_where_the_api_can(reference: World) -> None:
    pages, selection = pages_of(reference), TicketSelection(filters=TicketFilters(search="qqqqzzzz"))
    known = (await reference.api.get("/health"))["features"]
    for features, said in (
        ({*known} | {SEARCH_HISTORY}, "summary, description, newest comments, account"),
        ({*known} - {SEARCH_HISTORY}, "summary, description, account"),
    ):
        reference.wire.when("GET", "/health", health(*features))
        pages = pages_of(reference)
        assert said in (await pages.page(selection)).notes[0]


async def test_a_search_through_pages_by_cursor_finds_each_ticket_once(existing: World, model: Api) -> None:
    for number in range(1, 501, 5):
        model.tickets[f"TCK-{number:04}"]["summary"] = f"Printer {number} jams"

    filters = TicketFilters(search="jams printer", category_id="cat2")
    seen = [one async for page in walked(pages_of(existing), filters, limit=9) for one in ids(page)]

    assert seen == [f"TCK-{number:04}" for number in range(491, 0, -10)]


async def test_the_end_of_a_search_is_not_taken_for_a_search_that_finds_nothing(existing: World) -> None:
    selection = TicketSelection(filters=TicketFilters(search="printer"), cursor="rd:2000-01-01T00:00/TCK-0001")

    page = await pages_of(existing).page(selection)

    assert (page.rows, page.has_more, page.notes) == ([], False, ())
    assert page.total
