"""What shows nothing is in neither form of a result, both say how much it was, and writing it back keeps it (T21)."""

from typing import Any, Final

import pytest

from shared.visible_text import hidden_characters, visible
from shared.wire_json import encode
from tests.shared.given import TICKET, World, responses, rows_of, text_of

HIDDEN: Final = "\x1b[31mred\u202e\u2066 \u200bpass\u200bword\U000e0041\U000e0042\x9b\u3164"
SHOWN: Final = "[31mred password"
COUNT: Final = 9
NOTE: Final = f"{COUNT} invisible characters not shown."
WRITING: Final = "می\u200cخواهم क्\u200dष 👩\u200d👩\u200d👧 ❤\ufe0f"
FIELDS: Final = ("summary", "description", "responseDetails", "remarks", "externalTicketId")
HEADINGS: Final = {"description": "Description", "responseDetails": "Response details", "remarks": "Remarks"}


async def made(here: World, **values: Any) -> str:
    return str((await here.api.post("/tickets", TICKET | values))["id"])


def both_say(result: Any, said: str) -> None:
    """Check that both forms say `said`, and that nothing in them is invisible."""
    structured = result.structured_content or {}
    notes = structured["error"]["message"] if result.is_error else " ".join(structured["notes"])
    assert said in notes
    assert said in text_of(result)
    assert hidden_characters(text_of(result)) == 0
    assert hidden_characters(encode(structured).decode()) == 0


async def test_a_detail_shows_no_invisible_text_and_says_how_much_there_was(reference: World) -> None:
    ticket_id = await made(reference, **dict.fromkeys(FIELDS, HIDDEN))

    result = await reference.call("get_ticket_detail", ticketId=ticket_id)

    both_say(result, f"{len(FIELDS) * COUNT} invisible characters not shown.")
    assert {(result.structured_content or {})["ticket"][field] for field in FIELDS} == {SHOWN}
    assert text_of(result).count(r"\[31mred password") == len(FIELDS)


async def test_one_character_is_said_to_be_one(reference: World) -> None:
    ticket_id = await made(reference, summary="pass\u200bword")

    both_say(await reference.call("get_ticket_detail", ticketId=ticket_id), "1 invisible character not shown.")


async def test_lists_show_no_invisible_text(existing: World) -> None:
    row = {"ticketId": "TCK-1", "summary": HIDDEN, "statusName": "New\ufeff"}
    existing.wire.when("GET", "/tickets", responses(200, [row]), always=True)
    existing.wire.when(
        "GET", "/tickets/master/users", responses(200, [{"id": "u\u200b1", "name": HIDDEN}]), always=True
    )

    tickets, people = await existing.call("get_ticket_list"), await existing.call("get_users")

    both_say(tickets, "10 invisible characters not shown.")
    assert rows_of(tickets.structured_content or {})[0] == {"ticketId": "TCK-1", "summary": SHOWN, "statusName": "New"}
    both_say(people, "10 invisible characters not shown.")
    assert rows_of(people.structured_content or {})[0] == {"id": "u1", "name": SHOWN}


async def test_writes_and_their_history_show_no_invisible_text(reference: World) -> None:
    ticket_id = await made(reference)

    update = await reference.call("update_ticket", ticketId=ticket_id, updatedById="user2", remarks=HIDDEN)
    comment = await reference.call("add_ticket_history", ticketId=ticket_id, userId="user2", comment=HIDDEN)
    detail = await reference.call("get_ticket_detail", ticketId=ticket_id)

    both_say(update, NOTE)
    both_say(comment, NOTE)
    both_say(detail, f"{3 * COUNT} invisible characters not shown.")
    assert (comment.structured_content or {})["entry"]["comment"] == SHOWN


async def test_a_refusal_shows_no_invisible_text(existing: World) -> None:
    existing.wire.when("GET", "/tickets/master/statuses", responses(200, [{"id": "s1", "name": HIDDEN}]), always=True)

    result = await existing.call("get_ticket_list", statusId="nothing like it")

    both_say(result, NOTE)
    assert SHOWN in (result.structured_content or {})["error"]["message"]


async def test_what_writing_needs_is_shown_as_it_is(reference: World) -> None:
    ticket_id = await made(reference, summary=WRITING, description=WRITING)

    result = await reference.call("get_ticket_detail", ticketId=ticket_id)

    structured = result.structured_content or {}
    assert structured["ticket"]["summary"] == structured["ticket"]["description"] == WRITING
    assert text_of(result).count(WRITING) == 2
    assert "notes" not in structured


@pytest.mark.parametrize("form", ["text", "structured"])
async def test_writing_fields_back_as_they_were_shown_changes_nothing(reference: World, form: str) -> None:
    line = f"{HIDDEN}: *see* _this_ | `code` <b> https://files.example/a\u200b"
    stored = {"summary": line, **dict.fromkeys(HEADINGS, f"{line}\r\n- second\u2028    third")}
    ticket_id = await made(reference, **stored)
    shown = await reference.call("get_ticket_detail", ticketId=ticket_id)
    in_json = {field: (shown.structured_content or {})["ticket"][field] for field in stored}
    copied = in_json if form == "structured" else {field: _as_text(text_of(shown), field) for field in stored}

    _, error = await reference.refused("update_ticket", ticketId=ticket_id, updatedById="user2", **copied)
    await reference.done("update_ticket", ticketId=ticket_id, updatedById="user2", statusId="stat2", **copied)

    assert error["effect"] == "nothing_changed"
    assert (await reference.api.get(f"/tickets/{ticket_id}")).items() >= stored.items()


def _as_text(text: str, field: str) -> str:
    """Return a field as it is written in the text form."""
    if field == "summary":
        return text.partition("** ")[2].partition("\n")[0]
    lines = text.partition(f"\n{HEADINGS[field]}:\n")[2].partition("\n\n")[0].split("\n")
    return "\n".join(line[2:].rstrip(" ") for line in lines)


async def test_a_change_of_what_is_visible_is_stored(reference: World) -> None:
    ticket_id = await made(reference, remarks=HIDDEN)

    await reference.done("update_ticket", ticketId=ticket_id, updatedById="user2", remarks=f"{SHOWN}!")

    assert (await reference.api.get(f"/tickets/{ticket_id}"))["remarks"] == f"{visible(HIDDEN)}!"
