"""Lists over both databases: each filter, cursors, totals."""

from collections.abc import Callable
from itertools import product
from typing import Any, Final

import pytest
from httpx2 import AsyncClient

from shared.tickets.sorting import in_order
from tests.kills import kills
from tests.ticket_api.conftest import NOW, Clock, new_ticket, running
from tests.ticket_api.importing.files import row
from ticket_api.store import indexes

Row = dict[str, Any]
ORDERS: Final = list(product(["receptionDateTime", "scheduledCompletionDate", "completionDate"], ["asc", "desc"]))
ALL: Final = {"showCompleted": "true"}


async def listed(api: AsyncClient, **query: Any) -> Any:
    response = await api.get("/tickets", params=query)
    assert response.status_code == 200, response.text
    return response.json()


def between(field: str, low: str = "", high: str = "~") -> Callable[[Row], bool]:
    return lambda row: row[field] is not None and low <= row[field] <= high


FILTERS: Final[dict[str, tuple[Row, Callable[[Row], bool]]]] = {
    "person": ({"personInChargeId": "user2"}, lambda row: row["personInChargeId"] == "user2"),
    "account": ({"accountId": "acc2"}, lambda row: row["accountId"] == "acc2"),
    "category": ({"categoryId": "cat2"}, lambda row: row["categoryId"] == "cat2"),
    "requestor": ({"requestorId": "user6"}, lambda row: row["requestorId"] == "user6"),
    "two statuses": ({"statusId": ["stat1", "stat4"]}, lambda row: row["statusId"] in {"stat1", "stat4"}),
    "open": ({"showCompleted": "false"}, lambda row: not row["completed"]),
    "open of two": (
        {"statusId": ["stat1", "stat4"], "showCompleted": "false"}, lambda row: row["statusId"] == "stat1",
    ),
    "due": (
        {"scheduledCompletionDateFrom": "2026-11-10", "scheduledCompletionDateTo": "2026-11-30"},
        between("scheduledCompletionDate", "2026-11-10", "2026-11-30"),
    ),
    "completed from": ({"completionDateFrom": "2026-11-01"}, between("completionDate", "2026-11-01")),
    "completed to": ({"completionDateTo": "2026-11-01"}, between("completionDate", "", "2026-11-01")),
    "several": (
        {"personInChargeId": "user2", "statusId": ["stat2", "stat4"], "receptionDateTimeFrom": "2026-10-01"},
        lambda row: row["personInChargeId"] == "user2" and row["statusId"] in {"stat2", "stat4"}
        and row["receptionDateTime"] >= "2026-10-01",
    ),
    "unknown": ({"categoryId": "cat99"}, lambda _: False),
}  # fmt: skip


async def test_a_filter_keeps_what_matches_and_counts_it(api: AsyncClient) -> None:
    everything = await listed(api, limit=200, **ALL)
    for name, (query, matches) in FILTERS.items():
        page = await listed(api, **{"limit": 3, "envelope": "true", **ALL, **query})

        expected = [row for row in everything if matches(row)]
        assert page["tickets"] == expected[:3], name
        assert (page["total"], page["totalIsExact"]) == (len(expected), True), name
        assert (page["nextCursor"] is not None) is (len(expected) > 3), name
        assert len(expected) < len(everything), name


@pytest.mark.parametrize(("field", "low", "high"), [
    ("receptionDateTime", "receptionDateTimeFrom", "receptionDateTimeTo"),
    ("updatedAt", "updatedAtFrom", "updatedAtTo"),
])  # fmt: skip
async def test_both_ends_of_a_range_of_times_are_in_it(api: AsyncClient, field: str, low: str, high: str) -> None:
    everything = await listed(api, limit=200, **ALL)
    ends = sorted(row[field] for row in everything)[5::20]

    rows = await listed(api, limit=200, **ALL, **{low: ends[0], high: ends[1]})

    assert rows == [row for row in everything if ends[0] <= row[field] <= ends[1]]
    assert ends[1] in {row[field] for row in rows}


async def test_a_day_is_in_the_range_as_a_whole(api: AsyncClient) -> None:
    for minute in ("2031-03-04 00:00", "2031-03-04 23:59", "2031-03-05 00:00", "2031-03-03 23:59"):
        await api.post("/tickets", json=new_ticket(receptionDateTime=minute))

    rows = await listed(api, receptionDateTimeFrom="2031-03-04", receptionDateTimeTo="2031-03-04")

    assert [row["receptionDateTime"] for row in rows] == ["2031-03-04 23:59", "2031-03-04 00:00"]


async def test_a_change_is_in_the_range_of_its_shown_moment(api: AsyncClient, clock: Clock) -> None:
    clock.now = NOW.replace(microsecond=678901)
    await api.post("/tickets/TCK-0003/history", json={"userId": "user2", "comment": "Called back."})
    shown = "2026-11-20T03:04:05.678Z"

    rows = await listed(api, updatedAtFrom=shown, updatedAtTo=shown, **ALL)

    assert [(row["ticketId"], row["updatedAt"]) for row in rows] == [("TCK-0003", shown)]
    assert await listed(api, updatedAtFrom="2026-11-20T12:04:05.679+09:00", **ALL) == []


async def walked(api: AsyncClient, between: Callable[[int], Any] | None = None, **query: Any) -> list[Row]:
    """Return the rows of all pages by cursor; `between` is awaited after each."""
    rows: list[Row] = []
    cursor: str | None = None
    for number in range(60):
        page = await listed(api, envelope="true", **query, **({} if cursor is None else {"cursor": cursor}))
        rows += page["tickets"]
        cursor = page["nextCursor"]
        if between is not None:
            await between(number)
        if cursor is None:
            return rows
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("query", [ALL, {**ALL, "completionDateTo": "2030-01-01"}], ids=["walk", "few"])
async def test_pages_by_cursor_are_those_by_offset(api: AsyncClient, query: Row) -> None:
    """In both ways of reading: a walk in the order of the list, and sorting the tickets of one filter."""
    for sort_by, sort_order in ORDERS:
        order: Row = {"sortBy": sort_by, "sortOrder": sort_order, **query}
        whole = await listed(api, limit=200, **order)

        assert await walked(api, limit=17, **order) == whole
        assert [row for at in (0, 17, 34) for row in await listed(api, limit=17, offset=at, **order)] == whole[:51]
        assert whole == in_order(whole, sort_by, descends=sort_order == "desc")
        assert len(whole) > 20


@pytest.mark.parametrize("sort_by", ["receptionDateTime", "scheduledCompletionDate"])
async def test_pages_by_cursor_neither_repeat_nor_skip_while_tickets_come_in(api: AsyncClient, sort_by: str) -> None:
    before = await listed(api, limit=200, sortBy=sort_by, **ALL)

    async def write(number: int) -> None:
        day = f"2026-{number % 12 + 1:02}-11"
        await api.post("/tickets", json=new_ticket(receptionDateTime=f"{day} 10:00", scheduledCompletionDate=day))
        await api.post("/tickets", json=new_ticket(receptionDateTime="2031-01-01 10:00"))

    walk = [row["ticketId"] for row in await walked(api, write, limit=17, sortBy=sort_by, **ALL)]

    assert len(set(walk)) == len(walk)
    known = {row["ticketId"] for row in before}
    assert [id_ for id_ in walk if id_ in known] == [row["ticketId"] for row in before]


async def test_a_cursor_is_short_and_its_filters_may_change(api: AsyncClient) -> None:
    page = await listed(api, limit=2, envelope="true")
    last = page["tickets"][-1]
    received = last["receptionDateTime"].replace(" ", "T")

    assert page["nextCursor"] == f"rd:{received}/{last['ticketId']}"
    rest = await listed(api, cursor=page["nextCursor"], limit=200, **ALL)
    assert rest == [
        row for row in await listed(api, limit=200, **ALL) if row["receptionDateTime"] < last["receptionDateTime"]
    ]


@kills("ticket_api/store/lists.py", "numbers.last(db)", "0")
async def test_a_total_follows_every_write_of_this_and_of_other_processes(
    database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "MOST_FEW", 1)  # with more tickets of one filter, they are counted by a statement
    async with running(database_url, clock) as one, running(database_url, clock) as another:

        async def totals() -> list[int]:
            asked = [{"limit": 1, "envelope": "true", "personInChargeId": "user1", **more} for more in ({}, ALL)]
            return [(await listed(api, **query))["total"] for api in (one, another) for query in asked]

        open_, every = (await totals())[:2]
        assert await totals() == [open_, every] * 2
        made = await another.post("/tickets", json=new_ticket(personInChargeId="user1"))
        assert await totals() == [open_ + 1, every + 1] * 2
        change = {"updatedById": "user1", "statusId": "stat4"}
        await one.put(f"/tickets/{made.json()['id']}", json=change)
        assert await totals() == [open_, every + 1] * 2
        await another.put(f"/tickets/{made.json()['id']}", json={"updatedById": "user1", "personInChargeId": "user2"})
        assert await totals() == [open_, every] * 2
        await one.post(
            "/tickets/import", json={"rows": [row(1, personInChargeId="user1"), row(2, personInChargeId="user1")]}
        )
        assert await totals() == [open_ + 2, every + 2] * 2
        assert (await one.put("/tickets/master/statuses/stat1", json={"completed": True})).is_success
        assert (await totals())[0] < open_
