"""Habits of clients in arguments: foreign names (C9) and empty values (C12)."""

from typing import Any, Final

import pytest

from shared.client_habits import ClientHabits
from shared.mcp_tools.arguments.choices import CLEARABLE
from shared.mcp_tools.arguments.habits import (
    FOREIGN,
    Reading,
    named,
)
from shared.mcp_tools.catalog import TOOLS, ToolSpec
from shared.mcp_tools.inputs import ToolInput
from shared.mcp_tools.schema import read_arguments
from tests.shared.given import TICKET, World, text_of

UPDATE: Final = {"ticketId": "TCK-0001", "updatedById": "user1"}
NOTE: Final = "Ignored, because this tool has no such argument: "
FILE: Final = {"fileName": "a.txt", "fileUrl": "https://files.example.com/a.txt"}


def served(here: World, habit: str) -> int:
    return here.counter.total("client_habits", habit=habit)


# C9: names that clients add


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("get_statuses", {}), ("get_ticket_detail", {"ticketId": "TCK-0001"}), ("get_ticket_list", {"limit": 1})],
)
async def test_a_foreign_name_is_ignored_with_a_note(existing: World, tool: str, arguments: dict[str, Any]) -> None:
    for number, name in enumerate(sorted(FOREIGN), 1):
        result = await existing.call(tool, **arguments, **{name: {"any": ["thing"]}})

        assert not result.is_error
        assert result.structured_content is not None
        assert result.structured_content["notes"][0] == f"{NOTE}{named(name)}."
        assert text_of(result).count("Ignored, because") == 1
        assert served(existing, "foreign_arguments") == number


async def test_all_foreign_names_of_a_call_make_one_note_and_count_once(reference: World) -> None:
    done = await reference.done("create_ticket", **TICKET, **dict.fromkeys(sorted(FOREIGN), "x"))

    assert done["notes"][0] == f'{NOTE}"", _meta, action, chatInput, random_string, sessionId, toolCallId.'
    assert served(reference, "foreign_arguments") == 1


async def test_any_other_name_is_an_error_with_the_allowed_names_once(existing: World) -> None:
    for name in ("toolcallid", "tool_call_id", "session_id", "Action", "meta", " ", "randomString"):
        text, error = await existing.refused("get_users", **{name: "x", "sessionId": "x", "colour": "x"})

        assert len(error["problems"]) == 2
        assert text.count("Allowed: query, limit, offset, role") == 1
        assert "sessionId" not in text


async def test_a_foreign_name_inside_an_argument_is_refused(existing: World) -> None:
    _, error = await existing.refused("create_ticket", **TICKET, attachments=[FILE | {"sessionId": "x"}])

    assert error["field"] == "attachments.0.sessionId"
    assert served(existing, "foreign_arguments") == 0


async def test_a_foreign_argument_is_bounded_like_any_other(existing: World) -> None:
    text, _ = await existing.refused("get_statuses", _meta=[0] * 101)

    assert text.startswith("The arguments are too large: ")


def test_an_argument_of_the_tool_itself_wins() -> None:
    class WithAction(ToolInput):
        action: str = "none"

    reading = Reading(ClientHabits())
    arguments = reading.straightened(WithAction, {"action": "close", "sessionId": "x"})
    given, _ = read_arguments(WithAction, arguments, reading)

    assert given is not None
    assert given.action == "close"
    assert reading.foreign == ("sessionId",)


async def test_foreign_names_are_refused_when_their_row_is_off(existing: World) -> None:
    existing.habits = ClientHabits(off=["foreign_arguments"], counter=existing.counter)

    text, error = await existing.refused("get_users", **{"": "x", "sessionId": "x"})

    assert [problem["field"] for problem in error["problems"]] == ['""', "sessionId"]
    assert text.count("Allowed: query, limit, offset, role") == 1
    assert served(existing, "foreign_arguments") == 0


# C12: empty values of optional arguments

FREE: Final = frozenset({"searchQuery", "text", "comment", "summary", "description"})
MAY_BE_BLANK: Final = frozenset({"responseDetails", "externalTicketId", "remarks"})
OPTIONAL: Final = [
    (spec, str(info.alias))
    for spec in TOOLS
    for info in spec.input_model.model_fields.values()
    if not info.is_required()
]
REQUIRED: Final = [
    (spec, str(info.alias)) for spec in TOOLS for info in spec.input_model.model_fields.values() if info.is_required()
]


ONE_OF: Final = {"ticketIds": ["TCK-0001"], "change": {"statusId": "stat2"}}
OTHER_OF: Final = {"changes": [{"ticketId": "TCK-0001", "statusId": "stat2"}]}


def needed_by(spec: ToolSpec, name: str = "") -> dict[str, Any]:
    """Return what a call of a tool needs beside the argument `name`."""
    if spec.name == "update_tickets":
        return OTHER_OF if name in ONE_OF else ONE_OF
    known = TICKET | {"ticketId": "TCK-0001", "comment": "A comment.", "since": "2026-11-01"}
    return {
        str(info.alias): known[str(info.alias)] for info in spec.input_model.model_fields.values() if info.is_required()
    }


@pytest.mark.parametrize(("spec", "name"), OPTIONAL, ids=lambda one: getattr(one, "name", one))
def test_an_empty_value_is_absent_where_the_argument_cannot_be_empty(spec: ToolSpec, name: str) -> None:
    field, info = next(one for one in spec.input_model.model_fields.items() if one[1].alias == name)
    for value in ("", "  ", "null", "None", "undefined", " null\n"):
        reading = Reading(ClientHabits())
        arguments = reading.straightened(spec.input_model, needed_by(spec, name) | {name: value})
        given, problems = read_arguments(spec.input_model, arguments, reading)

        is_kept = name in MAY_BE_BLANK or (name in FREE and value.strip() != "")
        assert problems == []
        assert getattr(given, field) == (value if is_kept else info.default)
        assert reading.empty == (() if is_kept else (name,))


@pytest.mark.parametrize("value", ["", "  "])
@pytest.mark.parametrize(("spec", "name"), REQUIRED, ids=lambda one: getattr(one, "name", one))
def test_a_required_argument_that_is_empty_stays_a_problem_of_its_own(spec: ToolSpec, name: str, value: str) -> None:
    reading = Reading(ClientHabits())
    arguments = reading.straightened(spec.input_model, needed_by(spec) | {name: value})
    _, problems = read_arguments(spec.input_model, arguments, reading)

    assert [problem.field for problem in problems] == [name]
    assert problems[0].text.startswith("must ")


@pytest.mark.parametrize("name", ["limit", "scheduledCompletionDateTo", "sortBy", "showCompleted", "personInChargeId"])
async def test_any_other_word_is_refused(existing: World, name: str) -> None:
    for value in ("none", "NULL", "Null", "NONE", "nil", "N/A", "-", "0000-00-00", "[]"):
        _, error = await existing.refused("get_ticket_list", **{name: value})
        assert error["field"] == name
    assert served(existing, "empty_arguments") == 0


async def test_a_list_with_every_filter_empty_is_the_plain_list(existing: World) -> None:
    names = [name for spec, name in OPTIONAL if spec.name == "get_ticket_list"]
    plain = await existing.done("get_ticket_list")

    assert await existing.done("get_ticket_list", **dict.fromkeys(names, "")) == plain
    assert served(existing, "empty_arguments") == 1


async def test_a_ticket_is_created_with_seven_empty_arguments(reference: World) -> None:
    empty = {
        "scheduledCompletionDate": "",
        "completionDate": "null",
        "actualEffortHours": "None",
        "responseCategoryId": "",
        "hasDefect": "null",
        "attachments": "",
        "idempotencyKey": "undefined",
    }

    done = await reference.done("create_ticket", **TICKET, **empty, remarks="None", responseDetails="null")

    ticket = (await reference.done("get_ticket_detail", ticketId=done["ticketId"]))["ticket"]
    assert (ticket["remarks"], ticket["responseDetails"]) == ("None", "null")
    assert not set(ticket) & {"scheduledCompletionDate", "completionDate", "actualEffortHours", "responseCategoryId"}
    assert served(reference, "empty_arguments") == 1


async def test_free_text_is_searched_and_stored_as_it_is(existing: World) -> None:
    assert (await existing.done("get_ticket_list", searchQuery="None"))["rows"] == []
    done = await existing.done("update_ticket", **UPDATE, summary="None", comment="null")
    assert done["changed"][0]["new"] == "None"
    assert done["comment"] == "null"


async def test_an_empty_value_clears_nothing_and_an_update_says_so(reference: World) -> None:
    full = {"scheduledCompletionDate": "2026-12-24", "actualEffortHours": 2.5, "completionDate": "2026-12-25"}
    one = (await reference.api.post("/tickets", TICKET | full | {"responseCategoryId": "resp1"}))["id"]

    for number, name in enumerate(sorted(CLEARABLE - MAY_BE_BLANK)):
        for value in ("", "None"):
            changed = {"remarks": f"{number}{value}", name: value}
            done = await reference.done("update_ticket", ticketId=one, updatedById="user1", **changed)

            assert [change["field"] for change in done["changed"]] == ["remarks"]
            assert done["notes"] == [
                f"Empty values were ignored; unchanged: {name}. To clear {name}, name it in clear."
            ]
        assert (await reference.api.get(f"/tickets/{one}"))[name] not in {None, ""}


async def test_an_empty_value_of_a_field_that_cannot_be_cleared_is_said_to_be_ignored(existing: World) -> None:
    for name in ("statusId", "summary", "description", "hasDefect", "categoryId"):
        done = await existing.done("update_ticket", **UPDATE, remarks=f"New {name}", **{name: ""})

        assert done["notes"] == [f"Empty values were ignored; unchanged: {name}."]
    assert "notes" not in await existing.done("update_ticket", **UPDATE, remarks="Newest", comment="")


async def test_an_update_with_nothing_but_empty_values_says_that_they_were_ignored(existing: World) -> None:
    every = [name for spec, name in OPTIONAL if spec.name == "update_ticket" and name not in MAY_BE_BLANK]

    text, error = await existing.refused("update_ticket", **dict.fromkeys(every, "") | UPDATE | {"hasDefect": "None"})

    assert error["effect"] == "nothing_changed"
    assert text.count("Empty values were ignored") == 1
    assert "already holds every given value" not in text
    assert existing.wire.writes() == []


async def test_clear_clears_a_field_that_is_also_sent_empty(reference: World) -> None:
    one = (await reference.api.post("/tickets", TICKET | {"scheduledCompletionDate": "2026-12-24"}))["id"]

    done = await reference.done(
        "update_ticket",
        ticketId=one,
        updatedById="user1",
        scheduledCompletionDate="",
        statusId="",
        clear=["scheduledCompletionDate"],
    )

    assert done["changed"] == [{"field": "scheduledCompletionDate", "old": "2026-12-24"}]
    assert done["notes"] == ["Empty values were ignored; unchanged: statusId."]


@pytest.mark.parametrize("name", sorted(MAY_BE_BLANK))
async def test_an_empty_text_still_clears_a_text(existing: World, name: str) -> None:
    await existing.done("update_ticket", **UPDATE, **{name: "Old"})

    done = await existing.done("update_ticket", **UPDATE, **{name: ""})

    assert done["changed"] == [{"field": name, "old": "Old"}]
    assert "notes" not in done


async def test_empty_values_are_refused_when_their_row_is_off(existing: World) -> None:
    existing.habits = ClientHabits(off=["empty_arguments"], counter=existing.counter)

    _, error = await existing.refused("get_ticket_list", limit="", sortBy="null", searchQuery=" ", accountId="")

    assert [problem["field"] for problem in error["problems"]] == ["accountId", "searchQuery", "sortBy", "limit"]
