"""Clearing fields, and cut texts that must not be written back (cases T9, T4), over both ticket APIs."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.mcp_tools.arguments.choices import CLEARABLE
from shared.tickets.results import MAX_ECHO, MAX_TEXT
from tests.kills import kills
from tests.shared.given import TICKET, World, text_of, world

FULL: dict[str, Any] = {
    "scheduledCompletionDate": "2026-12-24",
    "completionDate": "2026-12-25",
    "actualEffortHours": 2.5,
    "responseCategoryId": "resp1",
    "responseDetails": "Replaced it.",
    "externalTicketId": "DEV-1",
    "remarks": "None so far.",
}
TEXTS = {"responseDetails", "externalTicketId", "remarks"}
MARKS = (
    "Words … [cut at 12,000 of 15,000 characters]",
    "Words [cut at 12000 of 15000 characters] and more",
    "Words\n[CUT AT 12.000 OF 15.000 CHARACTERS]",
    "[ cut at  200  of  1 234 characters ]",
)


@pytest.fixture(params=["existing", "reference"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with world(request.param, tmp_path) as opened:
        yield opened


async def ticket(here: World, **values: Any) -> str:
    return str((await here.api.post("/tickets", TICKET | values))["id"])


async def stored(here: World, one: str) -> dict[str, Any]:
    found: dict[str, Any] = await here.api.get(f"/tickets/{one}")
    return found


def test_every_field_that_may_be_empty_is_tried() -> None:
    assert set(FULL) == CLEARABLE


@pytest.mark.parametrize("by_null", [True, False])
@pytest.mark.parametrize("name", FULL)
async def test_a_field_is_emptied_where_the_api_can(reference: World, name: str, by_null: bool) -> None:
    one = await ticket(reference, **FULL)

    done = await reference.done(
        "update_ticket", ticketId=one, updatedById="user1", **({name: None} if by_null else {"clear": [name]})
    )

    (change,) = done["changed"]
    assert change["field"] == name
    assert "old" in change
    assert "new" not in change
    after = await stored(reference, one)
    assert {field for field in FULL if after[field] in {None, ""}} == {name}
    assert "notes" not in done


@pytest.mark.parametrize("name", sorted(set(FULL) - TEXTS))
async def test_what_an_api_cannot_empty_is_said_and_nothing_is_sent(existing: World, name: str) -> None:
    one = await ticket(existing, **FULL)

    text, error = await existing.refused("update_ticket", ticketId=one, updatedById="user1", clear=[name])

    assert error["effect"] == "nothing_changed"
    assert f"{name}: not cleared, because this ticket API cannot clear this." in text
    assert "already holds every given value" not in text
    assert [method for method, _ in existing.wire.writes()] == ["POST"]


async def test_what_an_api_cannot_empty_is_said_beside_what_was_done(existing: World) -> None:
    one = await ticket(existing, **FULL)

    done = await existing.done(
        "update_ticket", ticketId=one, updatedById="user1", scheduledCompletionDate=None, hasDefect=True
    )

    assert done["changed"] == [{"field": "hasDefect", "old": "no", "new": "yes"}]
    assert "scheduledCompletionDate: not cleared" in done["notes"][0]
    assert (await stored(existing, one))["scheduledCompletionDate"] == "2026-12-24"


@pytest.mark.parametrize("name", sorted(TEXTS))
async def test_texts_are_emptied_over_any_api(existing: World, name: str) -> None:
    one = await ticket(existing, **FULL)

    done = await existing.done("update_ticket", ticketId=one, updatedById="user1", clear=[name])

    assert done["changed"] == [{"field": name, "old": FULL[name]}]
    assert not (await stored(existing, one))[name]


async def test_a_field_that_cannot_be_empty_is_said_not_to_be(here: World) -> None:
    one = await ticket(here, **FULL)

    done = await here.done("update_ticket", ticketId=one, updatedById="user1", summary=None, remarks="New")
    text, _ = await here.refused("update_ticket", ticketId=one, updatedById="user1", statusId=None)
    plain = await here.done("update_ticket", ticketId=one, updatedById="user1", comment=None, remarks="Newer")

    assert done["notes"] == ["summary: null was ignored, because this field cannot be empty."]
    assert "statusId: null was ignored" in text
    assert "already holds every given value" not in text
    assert "notes" not in plain


async def test_what_is_empty_needs_no_emptying(here: World) -> None:
    one = await ticket(here)

    text, _ = await here.refused("update_ticket", ticketId=one, updatedById="user1", clear=["remarks"])

    assert "already holds every given value" in text


@pytest.mark.parametrize(
    "clear",
    [["summary"], ["statusId"], ["nothing"], [None], "nothing", {"remarks": True}, [["remarks", "x"]], ["memo"]],
)
async def test_only_fields_that_may_be_empty_can_be_named(here: World, clear: Any) -> None:
    one = await ticket(here, **FULL)

    _, error = await here.refused("update_ticket", ticketId=one, updatedById="user1", clear=clear)

    assert error["field"].startswith("clear")
    assert here.wire.writes() == [("POST", "/tickets")]


async def test_a_list_that_comes_as_text_is_read(reference: World) -> None:
    one = await ticket(reference, **FULL)

    done = await reference.done(
        "update_ticket", ticketId=one, updatedById="user1", clear='["remarks", "remarks", "externalTicketId"]'
    )

    assert [change["field"] for change in done["changed"]] == ["externalTicketId", "remarks"]


async def test_an_emptied_field_that_a_colleague_fills_again_was_emptied(reference: World) -> None:
    one = await ticket(reference, **FULL)

    async def filled_again(inner: Any, request: Any) -> Any:
        response = await inner.handle_async_request(request)
        await reference.api.put(f"/tickets/{one}", {"updatedById": "user2", "remarks": "theirs"})
        return response

    reference.wire.when("PUT", "/tickets/TCK-[0-9]+", filled_again)

    done = await reference.done("update_ticket", ticketId=one, updatedById="user1", remarks=None)

    assert done["changed"] == [{"field": "remarks", "old": "None so far."}]
    assert "remarks was stored, and changed again by" in done["notes"][0]


# T4: a text that was shown cut


@pytest.mark.parametrize("mark", MARKS)
async def test_a_text_with_the_mark_of_a_cut_is_refused(here: World, mark: str) -> None:
    for name in ("description", "remarks", "responseDetails", "comment"):
        text, error = await here.refused("update_ticket", ticketId="TCK-0001", updatedById="user1", **{name: mark})

        assert error["field"] == name
        assert "Send the whole text without the mark" in text
    assert here.wire.writes() == []


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("create_ticket", TICKET | {"description": MARKS[0]}),
        ("create_ticket", TICKET | {"summary": MARKS[0]}),
        ("create_ticket", TICKET | {"attachments": [{"fileName": MARKS[0], "fileUrl": "https://files.example/a"}]}),
        ("add_ticket_history", {"ticketId": "TCK-0001", "userId": "user1", "comment": MARKS[0]}),
    ],
)
async def test_no_tool_writes_the_mark_of_a_cut(here: World, tool: str, arguments: dict[str, Any]) -> None:
    _, error = await here.refused(tool, **arguments)

    assert error["kind"] == "invalid_input"
    assert here.wire.writes() == []


@kills("shared/tickets/references.py", "if (mark := CUT_MARK.search(_all_text(value))) and", "if (mark := None) and")
async def test_a_long_text_is_never_lost_by_writing_back_what_was_shown(here: World) -> None:
    long = "word " * 3_000
    one = await ticket(here, description=long)
    shown = (await here.done("get_ticket_detail", ticketId=one))["ticket"]["description"]
    assert len(shown) > MAX_TEXT

    await here.refused("update_ticket", ticketId=one, updatedById="user1", description=shown.replace("word", "work", 1))

    assert (await stored(here, one))["description"].strip() == long.strip()


async def test_a_mark_that_the_stored_text_holds_is_part_of_the_text(here: World) -> None:
    """A text that was damaged this way earlier can be corrected; a ticket may also mention the mark."""
    one = await ticket(here, description=f"They saw {MARKS[0]} in the list.")

    done = await here.done(
        "update_ticket", ticketId=one, updatedById="user1", description=f"We saw {MARKS[0]} in the list."
    )

    assert done["changed"][0]["field"] == "description"


@pytest.mark.parametrize(("old", "new"), [(15_000, 12_038), (30, 12_038), (12_038, 30), (201, 200)])
async def test_a_replaced_long_text_is_told_by_its_lengths(here: World, old: int, new: int) -> None:
    one = await ticket(here, remarks="a" * old)

    result = await here.call("update_ticket", ticketId=one, updatedById="user1", remarks="b" * new)

    assert (result.structured_content or {})["changed"] == [
        {"field": "remarks", "length": f"{old:,} → {new:,} characters"}
    ]
    assert f"- Remarks: {old:,} → {new:,} characters" in text_of(result)


async def test_long_texts_of_one_length_are_compared_whole(here: World) -> None:
    one = await ticket(here, description="a" * 14_999 + "b")

    done = await here.done("update_ticket", ticketId=one, updatedById="user1", description="a" * 14_999 + "c")

    assert done["changed"] == [{"field": "description", "length": "15,000 → 15,000 characters"}]
    assert (await stored(here, one))["description"].endswith("c")


async def test_a_long_comment_is_stored_whole_though_shown_cut(here: World) -> None:
    comment = "word " * 1_000

    added = await here.done("add_ticket_history", ticketId="TCK-0001", userId="user1", comment=comment)

    assert len(added["entry"]["comment"]) < MAX_ECHO + 100
    history = await here.api.get("/tickets/TCK-0001/history")
    assert history[0]["comment"].strip() == comment.strip()
