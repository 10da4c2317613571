"""Pages over the existing API with more tickets than a window: right within it, honest beyond it (cases T18, T19)."""

from dataclasses import replace
from typing import Any, Final

import httpx2
import pytest

from shared.errors import InvalidInputError, UpstreamUnavailableError
from shared.tickets.paging import single_tickets
from shared.tickets.paging.completion_order import CompletionOrder, MovedError
from shared.tickets.paging.single_tickets import SingleTickets
from shared.tickets.selection import TicketFilters, TicketSelection
from shared.tickets.sorting import Page
from shared.tickets.ticket_pages import TicketPages
from tests.shared.given import World, hangs
from tests.shared.tickets.paged import COMPLETED, ids, pages_of, walked
from tests.standin.model import Api

COUNT: Final = 2_300
DAYS: Final = 100


@pytest.fixture
def model(existing: World) -> Api:
    """The stand-in's tables: 2,300 tickets of 100 days, of which all but every tenth are completed the day after."""
    inner: Any = existing.wire.inner
    model: Api = inner._app.state.api
    template = model.tickets["TCK-0001"]
    model.tickets.clear()
    model.history.clear()
    for number in range(1, COUNT + 1):
        put(model, template, number)
    return model


def put(model: Api, template: dict[str, Any], number: int) -> None:
    """Add a ticket; the higher the number, the later it came in."""
    day = (number - 1) * DAYS // COUNT
    is_open = number % 10 == 0
    model.tickets[f"TCK-{number:04}"] = template | {
        "id": f"TCK-{number:04}",
        "receptionDateTime": f"2026-0{day // 25 + 5}-{day % 25 + 1:02} 08:{number % 60:02}",
        "completionDate": None if is_open else f"2026-0{day // 25 + 5}-{day % 25 + 2:02}",
        "statusId": f"stat{number // 10 % 3 + 1}" if is_open else COMPLETED,
        "statusName": ("Open", "In progress", "Waiting")[number // 10 % 3] if is_open else "Completed",
        "categoryId": "cat2" if number % 7 == 0 else "cat1",
        "categoryName": "Request" if number % 7 == 0 else "Incident",
    }


def latest(model: Api, fits: Any = bool) -> list[str]:
    """Return the ids of the tickets that fit, latest reception first."""
    found = [ticket for ticket in model.tickets.values() if fits(ticket)]
    found.sort(key=lambda t: (t["receptionDateTime"], t["id"]), reverse=True)
    return [ticket["id"] for ticket in found]


async def sorted_by_reception(inner: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
    """Ignore `sortBy`."""
    url = request.url.copy_set_param("sortBy", "receptionDateTime")
    return await inner.handle_async_request(httpx2.Request("GET", url, headers=request.headers))


async def page_of(pages: TicketPages, limit: int = 100, **filters: Any) -> Page:
    return await pages.page(TicketSelection(filters=TicketFilters(**filters), limit=limit))


async def test_pages_by_cursor_go_through_the_window_and_say_that_they_end(existing: World, model: Api) -> None:
    pages = [page async for page in walked(pages_of(existing), TicketFilters(), limit=400)]

    assert [one for page in pages for one in ids(page)] == latest(model)[:2_000]
    assert [(page.total, page.total_is_exact, page.has_more) for page in pages] == [(2_000, False, True)] * 5
    assert [page.notes for page in pages[:-1]] == [()] * 4
    assert "a cursor reaches only the first 2,000, which end here" in pages[-1].notes[0]


async def test_a_place_that_left_the_window_is_the_end_and_not_an_empty_list(existing: World, model: Api) -> None:
    pages = pages_of(existing)
    *_, last = [page async for page in walked(pages, TicketFilters(), limit=1_990)]
    template = model.tickets["TCK-0001"]
    first = await pages.page(TicketSelection(filters=TicketFilters(), limit=1_995))
    for number in range(COUNT + 1, COUNT + 21):
        put(model, template, number)
    pages.forget()

    page = await pages.page(TicketSelection(filters=TicketFilters(), limit=20, cursor=first.next_cursor))

    assert last.rows
    assert page.rows == []
    assert page.has_more
    assert "which end here" in page.notes[0]


@pytest.mark.parametrize("sort_by", ["receptionDateTime", "scheduledCompletionDate", "completionDate"])
async def test_a_range_that_ends_within_the_window_is_whole(existing: World, model: Api, sort_by: str) -> None:
    filters = TicketFilters(completed_from="2026-08-20")
    page = await pages_of(existing).page(TicketSelection(filters=filters, limit=2_000, sort_by=sort_by))
    received = await page_of(pages_of(existing), 2_000, received_from="2026-08-20", received_to="2026-08-21")

    assert {*ids(page)} == {*latest(model, lambda t: (t["completionDate"] or "") >= "2026-08-20")}
    assert (page.total, page.total_is_exact, page.notes) == (len(page.rows), True, ())
    assert ids(received) == latest(model, lambda t: "2026-08-20" <= t["receptionDateTime"] < "2026-08-22")
    assert (received.total, received.notes) == (len(received.rows), ())


async def test_several_open_statuses_leave_the_completed_tickets_out_of_the_window(existing: World, model: Api) -> None:
    page = await page_of(pages_of(existing), 500, status_ids=("stat1", "stat3"))

    assert ids(page) == latest(model, lambda t: t["statusId"] in {"stat1", "stat3"})
    assert (page.total, page.notes) == (len(page.rows), ())


async def test_a_filter_over_a_cut_window_says_what_was_looked_at(existing: World, model: Api) -> None:
    page = await page_of(pages_of(existing), 500, category_id="cat2")
    several = await page_of(pages_of(existing), 500, status_ids=("stat1", COMPLETED))

    held = {*latest(model)[:2_000]}
    assert ids(page) == [one for one in latest(model, lambda t: t["categoryId"] == "cat2") if one in held]
    assert (page.total, page.has_more, page.next_cursor) == (None, False, None)
    assert "cannot filter by category, and more than 2,000 tickets fit" in page.notes[0]
    assert "cannot filter by several statuses" in several.notes[0]
    assert several.has_more
    assert several.next_cursor is not None


async def test_changes_are_read_from_the_histories_of_few_tickets_and_else_refused(existing: World, model: Api) -> None:
    pages, since = pages_of(existing), "2026-11-01T00:00:00+09:00"
    for number in (2_300, 2_290, 5):
        await existing.api.post(f"/tickets/TCK-{number:04}/history", {"userId": "user2", "comment": "Called."})

    page = await page_of(pages, updated_since=since, received_from="2026-08-24", completed=False)
    with pytest.raises(InvalidInputError) as refused:
        await page_of(pages, updated_since=since)

    assert ids(page) == ["TCK-2300", "TCK-2290"]
    assert page.total == 2
    assert "at most 100 can be read, and here it would be 2,000 or more" in str(refused.value)
    assert "Narrow it by person, account" in str(refused.value)


async def test_one_completion_date_of_many_tickets_is_in_the_order_of_their_ids(existing: World, model: Api) -> None:
    for ticket in model.tickets.values():
        ticket["completionDate"] = "2026-08-01"
    selection = TicketSelection(filters=TicketFilters(), sort_by="completionDate", descends=False, limit=10)
    model.tickets = dict(list(model.tickets.items())[:1_200])

    page = await pages_of(existing).page(replace(selection, offset=700))

    assert ids(page) == [f"TCK-{number:04}" for number in range(701, 711)]
    assert page.notes == ()


async def test_tickets_completed_between_two_pages_cost_no_other_ticket(existing: World, model: Api) -> None:
    """The window of the first page is still kept: dates read since then no longer fit its order."""
    pages, seen = pages_of(existing), list[str]()
    model.tickets = dict(list(model.tickets.items())[:300])
    wanted = [t["id"] for t in model.tickets.values() if t["completionDate"]]

    async for page in walked(pages, TicketFilters(), sort_by="completionDate", limit=75):
        seen += ids(page)
        for ticket in [t for t in model.tickets.values() if not t["completionDate"]][::2]:
            ticket["completionDate"] = "2026-11-29"

    assert [one for one in seen if seen.count(one) > 1] == []
    assert {*wanted} <= {*seen}


async def test_lists_by_completion_are_right_after_others_completed_tickets(existing: World, model: Api) -> None:
    """The window is still kept, but no date of it was read: tickets among those without a date have one now."""
    model.tickets = dict(list(model.tickets.items())[:300])
    for ticket in list(model.tickets.values())[::2]:
        ticket["completionDate"] = None

    ranges: tuple[dict[str, Any], ...] = ({}, {"completed_from": "2026-05-03", "completed_to": "2026-11-01"})
    for wanted in ranges:
        pages = pages_of(existing)
        nothing = TicketFilters(received_from="2030-01-01", completed_from="2030-01-01")
        await pages.page(TicketSelection(filters=nothing))
        undated = [ticket for ticket in model.tickets.values() if not ticket["completionDate"]]
        for ticket in undated[:: len(undated) - 1]:
            ticket["completionDate"] = "2026-11-29"
        for ticket in undated[1 : len(undated) // 2]:
            ticket["completionDate"] = "2026-11-28"
        selection = TicketSelection(filters=TicketFilters(**wanted), sort_by="completionDate", limit=300)

        page = await pages.page(selection)

        first, last = wanted.get("completed_from", "0"), wanted.get("completed_to", "9")
        dated = [t for t in model.tickets.values() if t["completionDate"] and first <= t["completionDate"] <= last]
        dated.sort(key=lambda t: (t["completionDate"], t["id"]), reverse=True)
        assert ids(page)[: len(dated)] == [t["id"] for t in dated]
        assert len(page.rows) == (len(dated) if wanted else 300)
        assert page.notes == ()


async def test_a_date_that_is_new_among_those_without_hides_no_ticket(existing: World, model: Api) -> None:
    """The binary search meets a ticket that was completed after the window was fetched."""
    rows = [{"ticketId": f"TCK-{number:04}"} for number in range(1, 8)]
    for row, date in zip(rows, (None, None, None, "2026-11-29", None, None, "2026-05-05"), strict=True):
        model.tickets[row["ticketId"]]["completionDate"] = date

    with pytest.raises(MovedError):
        await CompletionOrder(SingleTickets(existing.api), rows).between("2026-05-01", None)


async def test_few_tickets_are_read_at_once(existing: World, model: Api) -> None:
    running, most = 0, 0

    async def count(inner: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await inner.handle_async_request(request)
        finally:
            running -= 1

    existing.wire.when("GET", "/tickets/TCK-[0-9]+", count, always=True)

    await pages_of(existing).page(TicketSelection(filters=TicketFilters(), limit=60, fields=("completionDate",)))

    assert most == single_tickets.AT_ONCE


async def test_an_api_that_does_not_sort_by_completion_shows_its_order_and_says_so(existing: World, model: Api) -> None:
    for number, ticket in enumerate(model.tickets.values()):
        ticket["completionDate"] = f"2026-08-{number % 28 + 1:02}"
    existing.wire.when("GET", "/tickets", sorted_by_reception, always=True)
    pages, selection = pages_of(existing), TicketSelection(filters=TicketFilters(), sort_by="completionDate")

    page = await pages.page(selection)

    assert ids(page) == latest(model)[:20]
    assert "may be in any order" in page.notes[0]
    with pytest.raises(UpstreamUnavailableError):
        await pages.page(replace(selection, cursor="cd:2026-08-20/TCK-0001"))


async def test_details_that_lists_lack_are_read_from_the_tickets_of_the_page(
    existing: World, model: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = pages_of(existing)
    first, second = latest(model)[:2]
    await existing.api.post(f"/tickets/{first}/history", {"userId": "user2", "comment": "Called."})
    existing.wire.sent.clear()
    selection = TicketSelection(filters=TicketFilters(), limit=2, fields=("completionDate", "updatedAt", "categoryId"))

    page = await pages.page(selection)

    assert len(existing.wire.sent) == 2 + 2 * 2
    assert [row["completionDate"] for row in page.rows] == [model.tickets[first]["completionDate"]] * 2
    assert [row["categoryId"] for row in page.rows] == [model.tickets[one]["categoryId"] for one in (first, second)]
    received = model.tickets[second]["receptionDateTime"].replace(" ", "T")
    assert [row["updatedAt"] for row in page.rows] == ["2026-11-29T02:30:00.000+00:00", f"{received}:00.000+00:00"]
    monkeypatch.setattr(single_tickets, "READ_S", 0.05)
    existing.wire.when("GET", "/tickets/TCK-[0-9]+", hangs, always=True)
    late = await pages.page(selection)
    assert ids(late) == ids(page)
    assert "these columns are empty: completionDate, updatedAt, categoryId" in late.notes[0]


async def test_categories_are_told_apart_by_id_where_names_do_not(existing: World, model: Api) -> None:
    """Two categories of one name, and tickets with the name that a category had before it was renamed."""
    model.tickets = dict(list(model.tickets.items())[:80])
    model.master["categories"][2]["name"] = "Incident"
    for number in (3, 14, 21):
        model.tickets[f"TCK-{number:04}"]["categoryName"] = "Wish"

    page = await page_of(pages_of(existing), category_id="cat2")
    none = await page_of(pages_of(existing), category_id="cat3")

    assert ids(page) == latest(model, lambda t: t["categoryId"] == "cat2")
    assert (none.rows, none.total, none.notes) == ([], 0, ())


@pytest.mark.parametrize(
    ("cursor", "said"),
    [
        ("", "must be nextCursor of the page before"),
        ("TCK-0001", "must be nextCursor of the page before"),
        ("rd:2026-11-20T03:04", "must be nextCursor of the page before"),
        ("ra:2026-11-20T03:04/TCK-0001", "in another order"),
        ("cd:2026-11-20/TCK-0001", "in another order"),
    ],
    ids=["empty", "id", "no id", "direction", "date"],
)
async def test_a_cursor_of_another_list_is_refused(existing: World, cursor: str, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said) as refused:
        await pages_of(existing).page(TicketSelection(filters=TicketFilters(), cursor=cursor))

    assert refused.value.field == "cursor"
    assert refused.value.problems[0].right == {}
    assert existing.wire.sent == [("GET", "/health")]


async def test_ids_of_any_form_have_a_place(existing: World, model: Api) -> None:
    """Ids of the existing API are free texts, and so are its dates in some copies."""
    template = model.tickets["TCK-0001"]
    model.tickets = {
        one: template | {"id": one, "receptionDateTime": f"2026/12/0{number % 2 + 1} 08:00"}
        for number, one in enumerate(("A/1", "B:2", "C 3", "受付-4", "D%2F5"))
    }
    order: dict[str, Any] = {"descends": False, "limit": 1}
    everything = await pages_of(existing).page(TicketSelection(filters=TicketFilters(), **order | {"limit": 9}))
    pages = [page async for page in walked(pages_of(existing), TicketFilters(), **order)]
    seen = [one for page in pages for one in ids(page)]

    assert all(page.next_cursor.isascii() for page in pages if page.next_cursor)
    assert seen == ids(everything)
    assert len(seen) == 5
