"""`get_ticket_changes`: over both ticket APIs, what it shows is what the histories of all tickets hold."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import anyio
import httpx2
import pytest

from shared.tickets.activity import entries, histories
from tests.kills import kills
from tests.shared.given import NOW, TICKET, World, hangs, responses, rows_of, text_of
from tests.shared.tickets.paged import Ticket, tickets_of
from tests.standin.model import Api

Entry = Mapping[str, Any]


async def all_entries(here: World) -> list[tuple[Ticket, Entry]]:
    """Return every history entry of every ticket, oldest first."""
    found = [
        (ticket, entry)
        for ticket in await tickets_of(here)
        for entry in await here.api.get(f"/tickets/{ticket['ticketId']}/history")
    ]
    return sorted(found, key=lambda one: (one[1]["timestamp"], one[1]["id"]))


def holds(one: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    return all(one[name] == value for name, value in values.items())


def last_changes(found: list[tuple[Ticket, Entry]]) -> list[tuple[str, int | None]]:
    """Return the tickets in the order of their last change, each with its number of comments."""
    comments: dict[str, int] = {}
    for ticket, entry in found:
        comments[ticket["ticketId"]] = comments.pop(ticket["ticketId"], 0) + bool(entry["comment"])
    return [(ticket, number or None) for ticket, number in comments.items()]


async def walked(here: World, **arguments: Any) -> list[dict[str, Any]]:
    """Return all pages."""
    pages = [await here.done("get_ticket_changes", **arguments)]
    while cursor := pages[-1].get("nextCursor"):
        pages.append(await here.done("get_ticket_changes", **arguments, cursor=cursor))
    return pages


async def comment(here: World, ticket_id: str, text: str = "Called back.") -> None:
    await here.api.post(f"/tickets/{ticket_id}/history", {"userId": "user1", "comment": text})


async def test_what_changed_is_what_the_histories_hold(either: World) -> None:
    found = await all_entries(either)
    for arguments, first, last in (
        ({"since": "2026-11-01"}, "2026-11-01", "9"),
        ({"since": "-4d", "until": "2026-11-27"}, "2026-11-25", "2026-11-28"),
        ({"since": "2026-11-20", "userId": "user2"}, "2026-11-20", "9"),
        ({"since": "-30d", "personInChargeId": "user3"}, "2026-10-30", "9"),
        ({"since": "monday", "accountId": "acc2"}, "2026-11-23", "9"),
    ):
        of_entry = {name: one for name, one in arguments.items() if name == "userId"}
        of_ticket = {name: one for name, one in arguments.items() if name in TICKET}
        expected = [
            (ticket, entry)
            for ticket, entry in found
            if first <= entry["timestamp"] < last and holds(entry, of_entry) and holds(ticket, of_ticket)
        ]

        shown = await either.done("get_ticket_changes", **arguments)

        changed = [(row["ticketId"], row.get("comments")) for row in rows_of(shown) if "by" in row]
        assert changed == last_changes(expected), arguments
        assert (shown["entries"], shown["changedTickets"]) == (len(expected), len(changed))
        assert "nextCursor" not in shown


async def test_new_tickets_are_shown_with_what_changed(either: World) -> None:
    shown = await either.done("get_ticket_changes", since="2026-11-24")

    received = [one["ticketId"] for one in await tickets_of(either) if one["receptionDateTime"] >= "2026-11-24"]
    new = [row["ticketId"] for row in rows_of(shown) if (row.get("changes") or "").startswith("received")]
    assert shown["receivedTickets"] == len(received)
    assert {*new} <= {*received}
    without = [row for row in rows_of(shown) if "by" not in row]
    more = f"More tickets were received in this time: {len(received) - len(new)}. "
    assert len(without) == entries.MOST_RECEIVED or len(new) == len(received)
    assert any(more in note for note in shown.get("notes", ())) is (len(new) < len(received))
    by_person = await either.done("get_ticket_changes", since="2026-11-24", userId="user1")
    assert "receivedTickets" not in by_person


async def test_each_field_is_shown_once_from_its_first_value_to_its_last(either: World) -> None:
    created = await either.done("create_ticket", **TICKET)
    ticket = {"ticketId": created["ticketId"], "updatedById": "user1"}
    statuses = {one["id"]: one["name"] for one in await either.api.get("/tickets/master/statuses")}
    for change in (
        {"statusId": "stat2", "comment": "Taken."},
        {"statusId": "stat3", "scheduledCompletionDate": "2026-12-03", "remarks": "x" * 50},
        {"summary": "Screen is dark"},
        {"summary": TICKET["summary"]},
    ):
        await either.done("update_ticket", **ticket, **change)

    shown = await either.done("get_ticket_changes", since="today")

    (row,) = (row for row in rows_of(shown) if row["ticketId"] == created["ticketId"])
    changes = dict(one.split(": ", 1) for one in row["changes"].split("; "))
    assert changes == {
        "status": f"{statuses['stat1']} → {statuses['stat3']}",
        "due": "(empty) → 2026-12-03",
        "remarks": "0 → 50 characters",
        "summary": "changed and changed back",
    }
    assert (row["comments"], row["last"]) == (1, "2026-11-29 02:30")


@kills("shared/tickets/activity/entries.py", "len(tickets) == MOST_TICKETS", "len(tickets) > 10_000")
async def test_pages_by_cursor_show_every_entry_once(either: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MOST_TICKETS", 4)
    for number in (3, 5, 1, 8, 3, 12, 9, 5, 3, 14, 2):
        await comment(either, f"TCK-{number:04}")

    pages = await walked(either, since="today")

    assert [page["changedTickets"] for page in pages[:-1]] == [4] * (len(pages) - 1)
    assert len(pages) > 2
    expected = [one for one in await all_entries(either) if one[1]["timestamp"] >= "2026-11-29"]
    assert sum(page["entries"] for page in pages) == len(expected) >= 11
    assert [page.get("receivedTickets") for page in pages[1:]] == [None] * (len(pages) - 1)


async def test_one_ticket_shows_each_entry(either: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("One\nline", "x" * 200, "Last"):
        await comment(either, "TCK-0001", text)
    expected = [one for ticket, one in await all_entries(either) if ticket["ticketId"] == "TCK-0001"]

    shown = await either.done("get_ticket_changes", since="2020-01-01", ticketId="tck-1")

    assert shown["columns"] == ["last", "by", "changes", "comment"]
    assert shown["entries"] == len(expected) == len(shown["rows"])
    assert [row["comment"] for row in rows_of(shown)[-3:]] == ["One line", f"{'x' * 120}…", "Last"]
    other = await either.done("get_ticket_changes", since="2020-01-01", ticketId="TCK-0001", accountId="acc3")
    assert other["entries"] in {0, len(expected)}

    monkeypatch.setattr("shared.tickets.activity.one_ticket.MOST_ENTRIES", 2)
    pages = await walked(either, since="2020-01-01", ticketId="TCK-0001")
    assert [row for page in pages for row in page["rows"]] == shown["rows"]


async def test_a_period_that_ends_before_it_begins_is_turned_round_with_all_of_its_days(either: World) -> None:
    text = text_of(await either.call("get_ticket_changes", since="yesterday", until="-3d"))

    assert 'Call again with: `{"since": "-3d", "until": "yesterday"}`' in text


async def test_what_cannot_be_read_is_refused(either: World) -> None:
    for arguments, said in (
        ({"since": "2026-11-29", "cursor": "rd:2026-11-20T03:04/TCK-0001"}, "cursor: must be nextCursor"),
        ({"since": "2026-11-29", "cursor": "57"}, "cursor: must be nextCursor"),
        ({"since": "today", "cursor": "entry:x", "ticketId": "TCK-0001"}, "cursor: must be nextCursor"),
        ({"since": "2026-11-29", "until": "2026-11-28"}, "since must not be after until"),
        ({"since": "soon"}, "since: must be a moment"),
        ({}, "since: is missing"),
        ({"since": "today", "userId": "No One"}, "userId: no such id or name"),
        ({"since": "today", "ticketId": "TCK-9999"}, "There is no ticket TCK-9999"),
    ):
        text, error = await either.refused("get_ticket_changes", **arguments)
        assert said in text
        assert error["kind"] in {"invalid_input", "not_found"}


async def test_the_reference_api_is_asked_for_changes_and_new_tickets_alone(reference: World) -> None:
    await reference.done("get_ticket_changes", since="today")
    reference.wire.sent.clear()

    await reference.done("get_ticket_changes", since="monday")

    assert sorted(reference.wire.sent) == [("GET", "/tickets"), ("GET", "/tickets/changes")]


async def test_pages_with_few_entries_are_followed_to_a_bound(reference: World) -> None:
    await reference.done("get_ticket_changes", since="today")
    reference.wire.sent.clear()
    almost_empty = {"changes": [], "nextCursor": "57"}
    reference.wire.when("GET", "/tickets/changes", responses(200, almost_empty), always=True)

    shown = await reference.done("get_ticket_changes", since="today")

    assert reference.wire.sent.count(("GET", "/tickets/changes")) == 5
    assert (shown["entries"], shown["nextCursor"]) == (0, "entry:57")


@pytest.fixture
def crowd(existing: World) -> Api:
    """The stand-in's tables with 250 tickets, of which every fifth is open and has a comment of an hour ago."""
    inner: Any = existing.wire.inner
    model: Api = inner._app.state.api
    template = dict(model.tickets["TCK-0003"])
    model.tickets.clear()
    model.history.clear()
    for number in range(1, 251):
        is_open = number % 5 == 0
        model.tickets[f"TCK-{number:04}"] = template | {
            "id": f"TCK-{number:04}",
            "receptionDateTime": f"2026-{number // 28 + 1:02}-{number % 28 + 1:02} 08:00",
            **({} if is_open else {"statusId": "stat4", "statusName": "Completed"}),
        }
        if is_open:
            body = {"userId": "user1", "comment": f"Comment {number}"}
            model.comment(f"TCK-{number:04}", body, NOW - timedelta(hours=1))
    return model


async def test_of_many_histories_those_of_open_tickets_are_read_first(existing: World, crowd: Api) -> None:
    reading, most = 0, 0

    async def counted(inner: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        try:
            return await inner.handle_async_request(request)
        finally:
            reading -= 1

    existing.wire.when("GET", "/tickets/TCK-.*/history", counted, always=True)

    pages = await walked(existing, since="today")

    assert sum(page["entries"] for page in pages) == 50
    assert most == 16
    assert [path for _, path in existing.wire.sent if path.endswith("history")].count("/tickets/TCK-0250/history") == 2
    assert pages[0]["notes"] == [
        "This ticket API shows changes only in the history of each ticket: 200 of 250 tickets were read, open ones "
        "first, the newest first; others may have changed too. Narrow by personInChargeId, accountId or ticketId."
    ]


async def test_histories_that_come_late_are_said_to_be_missing(
    existing: World, crowd: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    too_late = anyio.CancelScope()
    monkeypatch.setattr(histories, "move_on_after", lambda _: too_late)

    async def is_late(inner: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
        while len(read) < histories.MOST_READ - 1:
            await anyio.lowlevel.checkpoint()
        too_late.cancel()
        return await hangs(inner, request)

    async def comes(inner: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
        response = await inner.handle_async_request(request)
        read.append(request.url.path)
        return response

    read: list[str] = []
    existing.wire.when("GET", "/tickets/TCK-0005/history", is_late, always=True)
    existing.wire.when("GET", "/tickets/TCK-.*/history", comes, always=True)

    shown = await existing.done("get_ticket_changes", since="today")

    assert crowd.tickets
    assert re.search(r"1\d\d of 250 tickets were read, open ones first", shown["notes"][0])
    assert shown["entries"] > 0
