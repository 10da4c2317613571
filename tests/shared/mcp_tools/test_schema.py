"""The form of arguments: what is converted, what is refused, and that no surprising value gets through."""

from collections.abc import Mapping
from typing import Any, TypeVar

import pytest

from shared.client_habits import ClientHabits
from shared.errors import Problem
from shared.localization import LANGUAGES, Language, in_language
from shared.mcp_tools.arguments.habits import Reading
from shared.mcp_tools.catalog import TOOLS, ToolSpec
from shared.mcp_tools.inputs import AddHistoryInput, TicketDetailInput, TicketListInput, ToolInput, UpdateTicketInput
from shared.mcp_tools.schema import read_arguments, schema_of, under_right_names

InputT = TypeVar("InputT", bound=ToolInput)


def read(model: type[InputT], arguments: Mapping[str, Any]) -> tuple[InputT | None, list[Problem]]:
    return read_arguments(model, arguments, Reading(ClientHabits()))


@pytest.mark.parametrize(
    ("given", "kept"),
    [({"limit": "5"}, 5), ({"limit": 5.0}, 5), ({"limit": None}, 20), ({}, 20)],
)
def test_a_number_is_taken_as_meant(given: dict[str, Any], kept: int) -> None:
    query, problems = read(TicketListInput, given)

    assert problems == []
    assert query is not None
    assert query.limit == kept


def test_a_number_for_an_id_is_taken_as_text_and_space_around_an_id_is_dropped() -> None:
    for given, kept in ((7, "7"), (" TCK-0001\n", "TCK-0001")):
        query, _ = read(TicketDetailInput, {"ticketId": given})
        assert query is not None
        assert query.ticket_id == kept


def test_hours_that_arithmetic_made_are_rounded() -> None:
    change, _ = read(UpdateTicketInput, {"ticketId": "T", "updatedById": "u", "actualEffortHours": 0.1 + 0.2})

    assert change is not None
    assert change.actual_effort_hours == 0.3


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("spec", TOOLS, ids=lambda spec: spec.name)
def test_a_call_without_arguments_has_the_problems_that_validation_finds(spec: ToolSpec, language: Language) -> None:
    with in_language(language):
        _, problems = read(spec.input_model, {})
        _, validated = read(spec.input_model, dict.fromkeys(spec.input_model.model_json_schema()["properties"]))

    assert problems == validated


@pytest.mark.parametrize("value", ["\ud800", "\0", "x" * 50_001, " \n", True, {"a": 1}, ["x", "y"]])
def test_text_that_cannot_be_stored_is_refused(value: Any) -> None:
    _, problems = read(AddHistoryInput, {"ticketId": "T", "userId": "u", "comment": value})

    assert [problem.field for problem in problems] == ["comment"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "nan", 1e300])
def test_hours_are_finite(value: Any) -> None:
    given = {"ticketId": "T", "updatedById": "u", "actualEffortHours": value}
    _, problems = read(UpdateTicketInput, given)

    assert [problem.field for problem in problems] == ["actualEffortHours"]


def test_another_spelling_of_a_name_is_taken_and_another_word_is_answered_with_the_right_name() -> None:
    for name in ("ticket_id", "TicketId", "ticketid", "TICKET-ID", "ticket id", "ｔｉｃｋｅｔＩｄ"):
        assert Reading(ClientHabits()).straightened(TicketDetailInput, {name: "T"}) == {"ticketId": "T"}
    for name in ("id", "ticket", "tiketId"):
        known, (problem,) = under_right_names(TicketDetailInput, {name: "T"})
        assert known == {"ticketId": "T"}
        assert str(problem) == f"{name}: is not an argument of this tool; ticketId is."


def test_what_several_arguments_get_wrong_together_is_said_without_a_field() -> None:
    _, problems = read(
        TicketListInput, {"scheduledCompletionDateFrom": "2026-12-02", "scheduledCompletionDateTo": "2026-12-01"}
    )

    assert str(problems[0]) == "scheduledCompletionDateFrom must not be after scheduledCompletionDateTo."


def test_every_range_that_runs_backwards_is_said_at_once() -> None:
    given = {"receivedFrom": "2026-11-02", "receivedTo": "2026-11-01"}
    _, (problem,) = read(TicketListInput, given | {"completedFrom": "2026-11-04", "completedTo": "2026-11-03"})

    assert str(problem) == "receivedFrom must not be after receivedTo; completedFrom must not be after completedTo."
    assert problem.right == {
        "receivedFrom": "2026-11-01",
        "receivedTo": "2026-11-02",
        "completedFrom": "2026-11-03",
        "completedTo": "2026-11-04",
    }


def test_limits_stand_in_the_schema() -> None:
    properties = schema_of(UpdateTicketInput)["properties"]

    assert properties["actualEffortHours"]["minimum"] == 0
    assert properties["actualEffortHours"]["maximum"] == 9999.9
    assert properties["summary"]["maxLength"] == 200
    assert properties["externalTicketId"]["maxLength"] == 50
