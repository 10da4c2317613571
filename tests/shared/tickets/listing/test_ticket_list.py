"""`get_ticket_list` as a client calls it, over both ticket APIs: what it left in, and where it goes on (T18, T19)."""

from typing import Any

import pytest

from shared.identity import Principal, Tenant
from tests.shared.given import TICKET, World, rows_of, text_of


@pytest.fixture
def here(existing: World) -> World:
    return existing


async def head(here: World, **arguments: Any) -> str:
    """Return the first line of a list."""
    result = await here.call("get_ticket_list", **arguments)
    assert not result.is_error, text_of(result)
    return text_of(result).partition("\n")[0]


async def ids(here: World, **arguments: Any) -> list[str]:
    """Return the ids on the first page of a list, 100 at most."""
    page = await here.done("get_ticket_list", limit=100, fields=["ticketId"], **arguments)
    return [row["ticketId"] for row in rows_of(page)]


async def put(here: World, **fields: Any) -> str:
    """Create a ticket in the API itself; return its id."""
    return str((await here.api.post("/tickets", TICKET | fields))["id"])


async def test_the_first_line_says_how_many_are_completed_and_what_leaves_them_out(either: World) -> None:
    await put(either, statusId="stat4", completionDate="2026-11-20", scheduledCompletionDate="2026-11-20")
    await put(either, statusId="stat1", scheduledCompletionDate="2026-11-21")

    both = await either.done("get_ticket_list", scheduledCompletionDateTo="2026-11-28", limit=100)
    open_ones = await either.done("get_ticket_list", scheduledCompletionDateTo="2026-11-28", limit=100, open=True)
    said = await head(either, scheduledCompletionDateTo="2026-11-28", limit=100)

    completed = both["total"] - open_ones["total"]
    assert completed > 0
    assert both["leftIn"] == f"{completed} of these {'is' if completed == 1 else 'are'} completed; open: true " + (
        "leaves them out."
    )
    assert said.endswith(both["leftIn"])
    assert "leftIn" not in open_ones
    assert {row["statusName"] for row in rows_of(open_ones)}.isdisjoint({"Completed"})


async def test_who_asks_for_completed_tickets_is_not_told_how_to_leave_them_out(here: World) -> None:
    page = await here.done("get_ticket_list", statusId="Completed")

    assert page["rows"]
    assert "leftIn" not in page


async def test_a_completed_status_that_is_not_shown_is_refused_and_not_empty(here: World) -> None:
    text, error = await here.refused("get_ticket_list", statusId="Completed", showCompleted=False)

    assert error["field"] == "showCompleted"
    assert "these exclude each other" in text
    assert "No tickets match" not in text


async def test_overdue_tickets_are_open_and_due_before_today(either: World) -> None:
    late = await put(either, scheduledCompletionDate="2026-11-28")
    today = await put(either, scheduledCompletionDate="2026-11-29")
    done = await put(either, scheduledCompletionDate="2026-11-28", statusId="stat4", completionDate="2026-11-28")

    overdue, soon = await ids(either, overdue=True), await ids(either, dueWithin=0)

    assert late in overdue
    assert {today, done}.isdisjoint(overdue)
    assert today in soon
    assert {late, done}.isdisjoint(soon)


async def test_mine_are_those_of_the_caller(here: World) -> None:
    here.principal = Principal("a", Tenant("default"), ticket_user="user3")

    assert await ids(here, mine=True) == await ids(here, personInChargeId="user3") != []
    assert await ids(here, mine=True, personInChargeId="me") == await ids(here, mine=True)


async def test_mine_is_refused_where_the_caller_is_not_known(here: World) -> None:
    text, error = await here.refused("get_ticket_list", mine=True)

    assert error["field"] == "mine"
    assert "give personInChargeId an id from get_users, or set MCP_TICKET_USER for this server" in text


async def test_several_statuses_are_taken_in_one_argument(here: World) -> None:
    both = sorted([*await ids(here, statusId="stat1"), *await ids(here, statusId="stat2")])

    for given in (
        ["stat1", "stat2", "stat1"],
        *("stat1,stat2", "stat1、 stat2", '["stat1", "stat2"]', "stat1|stat2", "stat1 stat2", "open / in progress"),
        *("Open or In progress", "Open and stat2", "Openまたはstat2", "ＯＰＥＮ・stat2", ["stat1 + stat2"]),
    ):
        assert sorted(await ids(here, statusId=given)) == both


async def test_words_between_names_count_only_if_each_part_is_a_name(here: World) -> None:
    text, _ = await here.refused("get_ticket_list", statusId="Open or nothing")

    assert text.startswith("statusId: no such id or name.")


async def test_a_cursor_is_taken_as_it_stands_in_a_result(here: World) -> None:
    cursor = (await here.done("get_ticket_list", limit=5))["nextCursor"]
    text = await head(here, limit=5)
    from_text = text[text.index("next cursor") :].partition(" 1 of these")[0]
    following = await ids(here, cursor=cursor)

    assert from_text == f"next cursor {cursor}."
    for given in (from_text, f"{cursor}.", f"`{cursor}`", {"nextCursor": cursor}, cursor.replace("T", " ", 1)):
        assert await ids(here, cursor=given) == following
    for wrong in (True, 5, [cursor, cursor]):
        text = text_of(await here.call("get_ticket_list", cursor=wrong))
        assert text.startswith("cursor: must be nextCursor of the page before, as text")
        assert "Call again" not in text


async def test_what_is_no_cursor_is_refused_with_what_to_do(here: World, reference: World) -> None:
    for world, cursor in ((here, "next"), (here, "rd:tomorrow/TCK-0001"), (reference, "rd:2026-99-20T03:04/TCK-0001")):
        text = text_of(await world.call("get_ticket_list", cursor=cursor))

        assert text.startswith("cursor: must be nextCursor of the page before; leave it out for the first page.")
        assert text.endswith("Call again with: `{}`")


async def test_each_status_that_is_not_known_is_named(here: World) -> None:
    text, error = await here.refused("get_ticket_list", statusId="stat1, nowhere, stat77")

    assert [one["field"] for one in error["problems"]] == ["statusId", "statusId"]
    assert "“nowhere”: no such id or name" in text
    assert "“stat77”: no such id or name" in text


async def test_the_cursor_goes_on_and_the_offset_still_does(either: World) -> None:
    every = await ids(either)

    first = await either.done("get_ticket_list", limit=5)
    by_cursor = await either.done("get_ticket_list", limit=5, cursor=first["nextCursor"])
    by_offset = await either.done("get_ticket_list", limit=5, offset=first["nextOffset"])
    last = await either.done("get_ticket_list", limit=100, cursor=first["nextCursor"])

    assert [row["ticketId"] for row in rows_of(by_cursor)] == every[5:10]
    assert rows_of(by_offset) == rows_of(by_cursor)
    assert (by_offset["offset"], by_offset["mayRepeat"]) == (5, True)
    assert {"offset", "mayRepeat", "nextOffset"}.isdisjoint(by_cursor)
    assert last["hasMore"] is False
    assert "nextCursor" not in last
    assert (await head(either, limit=100, cursor=first["nextCursor"])).startswith(
        f"The last {len(every) - 5} of {len(every)} tickets. There are no more."
    )


async def test_pages_by_offset_say_that_they_may_repeat_and_pages_by_cursor_do_not(here: World) -> None:
    first = await here.done("get_ticket_list", limit=5)
    said = "Pages by offset may repeat or miss tickets while others come in."

    assert said in await head(here, limit=5, offset=5)
    assert said not in await head(here, limit=5, cursor=first["nextCursor"])
    assert said not in await head(here, limit=5)


async def test_columns_show_when_a_ticket_was_completed_and_changed(either: World) -> None:
    ticket_id = await put(either, statusId="stat4", completionDate="2026-11-20", summary="Fax 4711")
    await either.done("add_ticket_history", ticketId=ticket_id, userId="user1", comment="Seen.")

    (row,) = rows_of(
        await either.done("get_ticket_list", searchQuery="Fax 4711", fields=["completed", "更新日時", "ticketId"])
    )

    assert list(row) == ["completionDate", "updatedAt", "ticketId"]
    assert (row["completionDate"], row["updatedAt"]) == ("2026-11-20", "2026-11-29 02:30")


async def test_statuses_say_which_mean_completed(here: World) -> None:
    page = await here.done("get_statuses")

    assert [row["id"] for row in rows_of(page) if row["completed"]] == ["stat4"]
    assert "| stat4 | Completed | yes |" in text_of(await here.call("get_statuses"))


async def test_days_are_understood_in_both_languages(here: World) -> None:
    page = await here.done("get_ticket_list", receivedFrom="月曜", receivedTo="today", dueWithin="1週間")

    assert "receivedFrom: “月曜” is Monday, 2026-11-23." in page["notes"]
    assert all(0 <= row["remainingDays"] <= 7 for row in rows_of(page))
