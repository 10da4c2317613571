"""Values as models write them (T12, T15), and what is said about those that mean nothing (T13)."""

import time
from typing import Any, Final

import pytest
from pydantic import ValidationError

from shared.client_habits import ClientHabits
from shared.mcp_tools.arguments.habits import Reading
from shared.mcp_tools.catalog import TOOLS
from shared.mcp_tools.inputs import CreateTicketInput, TicketListInput, UpdateTicketInput
from shared.mcp_tools.schema import read_arguments
from tests.shared.given import TICKET, World, text_of

INVISIBLE: Final = ("\u200b", "\u2060\ufeff", "\u00ad", "\u3164", "\u2800", "\U000e0041", "\u202e \u200f")
UPDATE: Final = {"ticketId": "TCK-0001", "updatedById": "user1"}
FILE: Final = {"fileName": "a.txt", "fileUrl": "https://files.example.com/a.txt"}

MEANT: Final[tuple[tuple[str, str, Any, Any], ...]] = (
    ("sort_order", "sortOrder", "DESC", "desc"),
    ("sort_order", "sortOrder", "ａｓｃ ", "asc"),
    ("sort_order", "sortOrder", "Ascending", "asc"),
    ("sort_order", "sortOrder", "newest_first", "desc"),
    ("sort_order", "sortOrder", ["昇順"], "asc"),
    ("sort_by", "sortBy", "due_date", "scheduledCompletionDate"),
    ("sort_by", "sortBy", "COMPLETIONDATE", "completionDate"),
    ("limit", "limit", "５", 5),
    ("limit", "limit", "+5", 5),
    ("limit", "limit", {"value": "5 rows"}, 5),
    ("offset", "offset", "1,000", 1000),
    ("show_completed", "showCompleted", "いいえ", False),
    ("show_completed", "showCompleted", "Ｎｏ", False),
    ("show_completed", "showCompleted", [1], True),
    ("person_in_charge_id", "personInChargeId", {"id": "user3", "name": "Tomas"}, "user3"),
    ("person_in_charge_id", "personInChargeId", '{"value": "user3"}', "user3"),
    ("person_in_charge_id", "personInChargeId", '"user3"', "user3"),
    ("person_in_charge_id", "personInChargeId", "us\u200ber3", "user3"),
    ("account_id", "accountId", 7.0, "7"),
)
HOURS: Final = (
    (1.5, 1.5), ("1.5 h", 1.5), ("2h30m", 2.5), ("90 min", 1.5), ("1:30", 1.5), ("２時間", 2.0), ("1,5", 1.5),
    ("1,000", 1000.0), ("3.5 hrs.", 3.5), ("1時間30分", 1.5), ({"value": 2}, 2.0), ("9999.9", 9999.9),
)  # fmt: skip


def read(arguments: dict[str, Any]) -> TicketListInput:
    query, problems = read_arguments(TicketListInput, arguments, Reading(ClientHabits()))
    assert problems == []
    assert query is not None
    return query


@pytest.mark.parametrize(("field", "name", "given", "meant"), MEANT)
def test_a_value_is_read_as_it_is_meant(field: str, name: str, given: Any, meant: Any) -> None:
    value = getattr(read({name: given}), field)

    assert (value, type(value)) == (meant, type(meant))


@pytest.mark.parametrize(("given", "hours"), HOURS)
def test_hours_are_read_with_their_unit(given: Any, hours: float) -> None:
    change, _ = read_arguments(UpdateTicketInput, UPDATE | {"actualEffortHours": given}, Reading(ClientHabits()))

    assert change is not None
    assert change.actual_effort_hours == hours


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": "ten"}, {"limit": 2.5}, {"limit": 0}, {"limit": "1,5"}, {"limit": True}, {"limit": "5 hours"},
        {"offset": -1}, {"sortOrder": "up and down"}, {"sortBy": "weight"}, {"showCompleted": 2},
        {"showCompleted": "maybe"}, {"accountId": ["a", "b"]}, {"accountId": True}, {"searchQuery": {"a": 1}},
        {"accountId": {"value": "acc1", "not": "acc2"} | {"value": {}}}, {"searchQuery": True},
    ],
    ids=str,
)  # fmt: skip
def test_what_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    _, problems = read_arguments(TicketListInput, wrong, Reading(ClientHabits()))

    assert [problem.field for problem in problems] == list(wrong)


async def test_what_the_tools_of_before_took_is_honoured_with_a_note(existing: World) -> None:
    many = await existing.done("get_ticket_list", limit=500)
    sorted_anyway = await existing.done("get_ticket_list", sortBy="summary", limit=3)
    plain = await existing.done("get_ticket_list", limit=3)

    assert many["notes"] == ["limit: a page has at most 100 rows."]
    assert sorted_anyway["notes"] == [
        "sortBy: tickets cannot be sorted by summary, so they are sorted by receptionDateTime."
    ]
    assert sorted_anyway["rows"] == plain["rows"]


# T15: text that cannot be seen


@pytest.mark.parametrize("text", INVISIBLE, ids=ascii)
@pytest.mark.parametrize("name", ["summary", "description"])
def test_a_required_text_that_cannot_be_seen_is_empty(name: str, text: str) -> None:
    _, (problem,) = read_arguments(CreateTicketInput, TICKET | {name: text}, Reading(ClientHabits()))

    assert str(problem) == f"{name}: must not be empty, for example “The printer is offline”."


@pytest.mark.parametrize("text", INVISIBLE, ids=ascii)
async def test_an_optional_text_that_cannot_be_seen_is_absent(existing: World, text: str) -> None:
    plain = await existing.done("get_ticket_list")
    listed = await existing.done("get_ticket_list", searchQuery=text, accountId=text, limit=text)
    done = await existing.done("update_ticket", **UPDATE, summary=text, comment=text, remarks=f"Seen {text!a}")

    assert listed["rows"] == plain["rows"]
    assert [change["field"] for change in done["changed"]] == ["remarks"]


# Sentences of refusals: case T13

SAID: Final[tuple[tuple[str, dict[str, Any], str], ...]] = (
    ("update_ticket", UPDATE | {"ticketId": "x" * 62}, "ticketId: must have at most 50 characters."),
    ("update_ticket", UPDATE | {"comment": "x" * 50_001}, "comment: must have at most 50,000 characters."),
    ("create_ticket", TICKET | {"summary": "x" * 201}, "summary: must have at most 200 characters."),
    ("create_ticket", TICKET | {"attachments": [FILE] * 21}, "attachments: must have at most 20 items."),
    ("create_ticket", TICKET | {"attachments": [5]}, "attachments.0: must be an object with fileName and fileUrl."),
    (
        "create_ticket",
        TICKET | {"actualEffortHours": 10_000},
        "actualEffortHours: must be a number of hours, 0 to 9999.9, for example 1.5.",
    ),
    ("get_ticket_list", {"limit": 0}, "limit: must be 1 to 100."),
    ("get_ticket_list", {"offset": 10**7}, "offset: must be 0 to 1,000,000."),
    (
        "create_ticket",
        TICKET | {"idempotencyKey": "キー"},
        "idempotencyKey: must be 1 to 200 visible ASCII characters without blanks, for example order-4711.",
    ),
    ("get_ticket_list", {"sortOrder": "x"}, "sortOrder: must be one of the allowed values. Allowed: asc, desc."),
    ("get_ticket_list", {"showCompleted": "x"}, "showCompleted: must be true or false. Allowed: true, false."),
    ("get_ticket_list", {"searchQuery": {}, "limit": {"a": 1}}, "limit: must be a whole number, 1 to 100."),
)


@pytest.mark.parametrize(("tool", "arguments", "said"), SAID, ids=[said[:30] for _, _, said in SAID])
async def test_a_refusal_names_the_bound_in_the_unit_that_is_meant(
    existing: World, tool: str, arguments: dict[str, Any], said: str
) -> None:
    result = await existing.call(tool, **arguments)

    assert text_of(result).split("\n")[0] == f"{said} Nothing was changed."
    for word in ("Input", "should", "instance", "NewAttachment", "pydantic", "String", "\\"):
        assert word not in text_of(result)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("get_ticket_report", {"groupBy": "x," * 20_000}),
        ("get_ticket_list", {"fields": "x," * 20_000}),
        ("get_ticket_list", {"fields": ["status " * 20_000] * 5}),
        ("get_ticket_list", {"limit": f"1{' ' * 4_000}x"}),
        ("get_ticket_list", {"dueWithin": f"1{' ' * 4_000}x"}),
    ],
)
def test_long_lists_and_words_are_refused_without_long_work(tool: str, arguments: dict[str, object]) -> None:
    model = next(spec.input_model for spec in TOOLS if spec.name == tool)
    before = time.process_time()

    with pytest.raises(ValidationError):
        model.model_validate(arguments, context=Reading(ClientHabits()))

    assert time.process_time() - before < 0.3
