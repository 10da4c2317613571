"""Writes over the existing API and with faults at chosen moments: the caller always gets a true report."""

from typing import Any

import pytest

from shared.errors import Effect
from shared.writes.recent_writes import MemoryRecentWrites
from tests.kills import kills
from tests.shared.given import (
    TICKET,
    Act,
    World,
    does_it_but_drops,
    does_it_but_responds,
    drops,
    refuses,
    responses,
    rows_of,
    text_of,
)
from tests.shared.repeated import Clock, tools_of

TICKET_PATH = "/tickets/TCK-[0-9]+"
HISTORY_PATH = f"{TICKET_PATH}/history"
NO_AUTHOR = "The ticket system does not record the author of a new ticket."


async def comments(here: World, ticket_id: str) -> list[str]:
    detail = await here.done("get_ticket_detail", ticketId=ticket_id)
    return [entry["comment"] for entry in detail["history"] if "comment" in entry]


async def test_a_comment_that_was_acknowledged_but_lost_is_reported_as_not_recorded(existing: World) -> None:
    await existing.done("get_ticket_detail", ticketId="TCK-0001")
    with pytest.raises(Exception, match="nothing with that id"):
        await existing.api.put("/tickets/TCK-9999", {"statusId": "stat2"})  # another user's call sets the trap

    text, error = await existing.refused("add_ticket_history", ticketId="TCK-0001", userId="user1", comment="Lost?")

    assert "acknowledged this without storing it" in text
    assert "Nothing was changed; repeat the call." in text
    assert error == {"kind": "not_stored", "effect": "nothing_changed"}
    assert existing.counter.total("tool_calls", outcome="not_stored") == 1
    assert existing.counter.total("writes_unconfirmed", kind="not_stored") == 1
    assert "Lost?" not in await comments(existing, "TCK-0001")
    await existing.done("add_ticket_history", ticketId="TCK-0001", userId="user1", comment="Lost?")


async def test_attachments_that_were_dropped_are_said_to_be(existing: World) -> None:
    files = [{"fileName": "a.png", "fileUrl": "https://files.example/a.png"}]

    created = await existing.done("create_ticket", **TICKET, attachments=files)

    assert created["notes"] == [
        "The ticket was created, but this ticket API did not store its attachments: a.png.",
        NO_AUTHOR,
    ]


async def test_attachments_that_were_stored_are_shown(reference: World) -> None:
    files = [{"fileName": "a.png", "fileUrl": "https://files.example/a.png"}]

    created = await reference.done(
        "create_ticket", **TICKET, attachments='[{"fileName": "a.png", "fileUrl": "https://files.example/a.png"}]'
    )

    assert created["notes"] == [NO_AUTHOR]
    assert [{name: one[name] for name in files[0]} for one in created["ticket"]["attachments"]] == files


async def test_a_completed_ticket_without_a_date_is_offered_one(existing: World) -> None:
    bare = await existing.done("update_ticket", ticketId="TCK-0001", updatedById="user1", statusId="Completed")
    dated = await existing.done("create_ticket", **TICKET | {"statusId": "stat4"}, completionDate="2026-11-21")

    assert "no completion date" in bare["notes"][-1]
    assert dated["notes"] == [NO_AUTHOR]


async def test_history_shows_dates_as_dates(existing: World) -> None:
    await existing.done("update_ticket", ticketId="TCK-0001", updatedById="user1", scheduledCompletionDate="2026-12-31")

    text = text_of(await existing.call("get_ticket_detail", ticketId="TCK-0001"))

    assert "→ 2026-12-31" in text
    assert "GMT" not in text


@pytest.mark.parametrize("act", [does_it_but_responds(500, {"error": "An error occurred"}), does_it_but_drops])
async def test_an_update_that_was_done_without_an_answer_is_a_result(existing: World, act: Act) -> None:
    existing.wire.when("PUT", TICKET_PATH, act)

    updated = await existing.done(
        "update_ticket", ticketId="TCK-0002", updatedById="user1", summary="New words", comment="Why"
    )

    assert updated["changed"][0]["new"] == "New words"
    assert "did not confirm" in updated["notes"][0]


@pytest.mark.parametrize("act", [does_it_but_responds(500, {"error": "An error occurred"}), does_it_but_drops])
async def test_a_comment_that_was_stored_without_an_answer_is_a_result(existing: World, act: Act) -> None:
    existing.wire.when("POST", HISTORY_PATH, act)

    added = await existing.done("add_ticket_history", ticketId="TCK-0002", userId="user1", comment="Once only")

    assert "did not confirm" in added["notes"][0]
    assert (await comments(existing, "TCK-0002")).count("Once only") == 1
    assert len(existing.wire.writes()) == 1


WRITES = [
    ("PUT", TICKET_PATH, "update_ticket", {"ticketId": "TCK-0002", "updatedById": "user1", "summary": "New words"}),
    ("POST", HISTORY_PATH, "add_ticket_history", {"ticketId": "TCK-0002", "userId": "user1", "comment": "Hello"}),
]


@pytest.mark.parametrize(("method", "path", "tool", "arguments"), WRITES)
async def test_a_write_that_the_api_failed_at_and_did_not_do_changed_nothing(
    existing: World, method: str, path: str, tool: str, arguments: dict[str, Any]
) -> None:
    existing.wire.when(method, path, responses(500, {"error": "An error occurred while writing SELECT 1"}))

    text, error = await existing.refused(tool, **arguments)

    assert error["effect"] == Effect.NOTHING_CHANGED
    assert "fault of the ticket API" in text
    assert "Nothing was changed; repeat the call." in text
    assert "SELECT" not in text


@kills("shared/tickets/changes.py", "if same(one.comment, comment) and one.user_id in {None, user_id}", "if True")
async def test_someone_elses_comment_is_not_taken_for_the_lost_one(existing: World) -> None:
    async def only_the_other_is_stored(inner: Any, request: Any) -> Any:
        await existing.api.post("/tickets/TCK-0002/history", {"userId": "user3", "comment": "Hello"})
        await existing.api.post("/tickets/TCK-0002/history", {"userId": "user1", "comment": "Something else"})
        return await responses(201, {"message": "ok"})(inner, request)

    existing.wire.when("POST", HISTORY_PATH, only_the_other_is_stored)

    _, error = await existing.refused("add_ticket_history", ticketId="TCK-0002", userId="user1", comment="Hello")

    assert error == {"kind": "not_stored", "effect": "nothing_changed"}


async def test_no_hours_and_zero_hours_are_different(existing: World) -> None:
    made = await existing.done("create_ticket", **TICKET)

    updated = await existing.done("update_ticket", ticketId=made["ticketId"], updatedById="user1", actualEffortHours=0)

    assert updated["changed"] == [{"field": "actualEffortHours", "new": "0"}]


@kills("shared/writes/outcome.py", "if doubt is not None and not doubt.settled:", "if False:")
@pytest.mark.parametrize(
    "act", [drops, responses(504, {"error": "gateway"}), responses(502, html="<h1>Bad gateway</h1>")]
)
@pytest.mark.parametrize("write", WRITES)
async def test_a_write_that_may_still_be_under_way_is_not_called_undone(
    existing: World, write: tuple[str, str, str, dict[str, Any]], act: Act
) -> None:
    method, path, tool, arguments = write
    existing.wire.when(method, path, act)

    text, error = await existing.refused(tool, **arguments)

    assert error == {"kind": "outcome_unknown", "effect": "unknown"}
    assert "It may have been changed: check with get_ticket_detail(ticketId=TCK-0002)" in text
    assert "Nothing was changed" not in text
    assert "gateway" not in text.casefold()


@pytest.mark.parametrize(("method", "path", "tool", "arguments"), WRITES)
async def test_a_write_that_no_one_listened_to_changed_nothing(
    existing: World, method: str, path: str, tool: str, arguments: dict[str, Any]
) -> None:
    existing.wire.when(method, path, refuses)

    text, error = await existing.refused(tool, **arguments)

    assert error == {"kind": "upstream_unavailable", "effect": "nothing_changed"}
    assert "Nothing was changed" in text


@kills("shared/writes/outcome.py", "UpstreamError, NotFoundError", "NotFoundError")
@pytest.mark.parametrize(("method", "path", "tool", "arguments"), WRITES)
async def test_a_write_that_cannot_be_read_back_may_have_been_done(
    existing: World, method: str, path: str, tool: str, arguments: dict[str, Any]
) -> None:
    async def does_it_and_goes_down(inner: Any, request: Any) -> Any:
        existing.wire.when("GET", ".*", refuses, always=True)
        return await inner.handle_async_request(request)

    existing.wire.when(method, path, does_it_and_goes_down)

    text, error = await existing.refused(tool, **arguments)

    assert error == {"kind": "outcome_unknown", "effect": "unknown"}
    assert "could not be read afterwards. It may have been changed" in text


async def test_an_update_that_lost_its_comment_says_what_was_changed_and_what_was_not(existing: World) -> None:
    async def forgets_the_comment(inner: Any, request: Any) -> Any:
        await existing.api.put("/tickets/TCK-0002", {"summary": "New words", "updatedById": "user1"})
        return await responses(200, {"id": "TCK-0002", "message": "ok"})(inner, request)

    existing.wire.when("PUT", TICKET_PATH, forgets_the_comment)

    text, error = await existing.refused(
        "update_ticket", ticketId="TCK-0002", updatedById="user1", summary="New words", comment="Gone"
    )

    assert error == {"kind": "not_stored", "effect": "changed"}
    assert "the comment is not in the history" in text
    assert "It was changed" in text


async def test_an_acknowledged_update_that_does_not_read_back_is_not_a_success(existing: World) -> None:
    existing.wire.when("PUT", TICKET_PATH, responses(200, {"id": "TCK-0002", "message": "updated"}))

    text, error = await existing.refused("update_ticket", ticketId="TCK-0002", updatedById="user1", statusId="stat1")

    assert error == {"kind": "not_stored", "effect": "nothing_changed"}
    assert "statusId is " in text


async def test_a_note_on_a_name_is_left_out_where_the_result_shows_its_id(existing: World) -> None:
    names = await existing.done("get_statuses")
    status = next(row["name"] for row in rows_of(names) if row["id"] == "stat1")
    people = {one["id"]: one["name"] for one in rows_of(await existing.done("get_users"))}
    by_name = {"statusId": status, "requestorId": people["user6"], "personInChargeId": people["user2"]}

    created = await existing.done("create_ticket", **TICKET | by_name)
    unchanged = {
        "ticketId": created["ticketId"],
        "updatedById": people["user3"],
        "statusId": status,
        "comment": "Seen.",
    }
    updated = await existing.done("update_ticket", **unchanged)
    commented = await existing.done(
        "add_ticket_history", ticketId=created["ticketId"], userId=people["user3"], comment="Again."
    )

    assert created["notes"] == [NO_AUTHOR]
    assert updated["notes"] == [f"statusId: “{status}” is stat1."]  # not among the changes
    assert "notes" not in commented


@pytest.mark.parametrize("act", [does_it_but_drops, does_it_but_responds(500, {"error": "x"})])
async def test_a_ticket_that_was_created_without_an_answer_is_pointed_at(existing: World, act: Act) -> None:
    existing.wire.when("POST", "/tickets", act)

    text, error = await existing.refused("create_ticket", **TICKET)

    assert error == {"kind": "outcome_unknown", "effect": "unknown"}
    newest = rows_of(await existing.done("get_ticket_list", searchQuery=TICKET["summary"]))[0]["ticketId"]
    assert f"Such a ticket exists: {newest}." in text
    assert "may have been created: check with get_ticket_list" in text
    assert "use it again" in text


@pytest.mark.parametrize("lists_too", [False, True])
async def test_a_ticket_that_is_not_found_may_still_have_been_created(existing: World, lists_too: bool) -> None:
    existing.wire.when("POST", "/tickets", drops)
    if lists_too:
        existing.wire.when("GET", "/tickets", refuses, always=True)

    text, error = await existing.refused("create_ticket", **TICKET)

    assert error["effect"] == "unknown"
    assert "No such ticket was found" in text
    assert len(existing.wire.writes()) == 1


async def test_a_ticket_that_is_stored_otherwise_is_not_to_be_created_again(existing: World) -> None:
    async def stores_other_words(inner: Any, request: Any) -> Any:
        response = await existing.api.post("/tickets", TICKET | {"summary": "Other words"})
        return await responses(201, response)(inner, request)

    existing.wire.when("POST", "/tickets", stores_other_words)

    text, error = await existing.refused("create_ticket", **TICKET)

    assert error == {"kind": "not_stored", "effect": "changed"}
    assert "summary is Other words" in text
    assert "do not create it again" in text


async def test_a_repeated_key_creates_one_ticket_even_after_it_was_changed(reference: World) -> None:
    first = await reference.done("create_ticket", **TICKET, idempotencyKey="k-1")
    await reference.done("update_ticket", ticketId=first["ticketId"], updatedById="user1", summary="Renamed")

    again = await reference.done("create_ticket", **TICKET, idempotencyKey="k-1")

    assert again["ticketId"] == first["ticketId"]
    assert "summary was stored, and changed since by" in again["notes"][0]


async def test_a_repeated_key_adds_one_comment(reference: World, clock: Clock) -> None:
    reference.tools = tools_of(reference, MemoryRecentWrites(clock))
    call = {"ticketId": "TCK-0001", "userId": "user1", "comment": "Once", "idempotencyKey": "k-2"}

    first = await reference.done("add_ticket_history", **call)
    again = await reference.done("add_ticket_history", **call)
    text, error = await reference.refused("add_ticket_history", **call | {"comment": "Other"})

    already = again.pop("already")
    assert already.startswith("Already added 0 s ago to TCK-0001, with this idempotencyKey; ")
    assert first == again
    assert (await comments(reference, "TCK-0001")).count("Once") == 1
    assert error == {"kind": "conflict", "effect": "nothing_changed"}
    assert "Nothing was changed" in text


async def test_line_breaks_that_the_api_changes_are_no_loss(existing: World) -> None:
    async def as_windows_would(inner: Any, request: Any) -> Any:
        response = await existing.api.put("/tickets/TCK-0002", {"remarks": "a\r\nb ", "updatedById": "user1"})
        return await responses(200, response)(inner, request)

    existing.wire.when("PUT", TICKET_PATH, as_windows_would)

    updated = await existing.done("update_ticket", ticketId="TCK-0002", updatedById="user1", remarks="a\nb")

    assert [change["field"] for change in updated["changed"]] == ["remarks"]
