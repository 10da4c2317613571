"""Completion: ids, names and statuses of the caller's own organisation, while a person types."""

import itertools
from typing import Any, Final, Literal

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    Completion,
    ErrorData,
    PromptReference,
    ResourceTemplateReference,
)

from shared import completions
from shared.mcp_prompts.catalog import PROMPTS
from shared.mcp_resources.catalog import KINDS
from tests.captured_logs import capture_logs
from tests.shared.given import World, hangs, refuses, responses

ESCALATION: Final = PromptReference(name="escalation")
TICKET: Final = ResourceTemplateReference(uri="ticket://{id}")
MASTER: Final = ResourceTemplateReference(uri="tickets://master/{kind}")
Ref = PromptReference | ResourceTemplateReference
ERAS: Final[tuple[Literal["auto", "legacy"], ...]] = ("auto", "legacy")


async def complete(here: World, ref: Ref, argument: str, typed: str, mode: Any = "auto") -> Completion:
    async with Client(here.server, mode=mode) as client:
        return (await client.complete(ref, {"name": argument, "value": typed})).completion


async def refused(here: World, ref: Ref, argument: str, typed: str) -> ErrorData:
    async with Client(here.server) as client:
        with pytest.raises(MCPError) as caught:
            await client.complete(ref, {"name": argument, "value": typed})
    return caught.value.error


@pytest.mark.parametrize("era", ERAS)
async def test_tickets_are_offered_newest_first_with_their_summaries(
    either: World, era: Literal["auto", "legacy"]
) -> None:
    found = await complete(either, ESCALATION, "ticketId", "", era)
    plain = await complete(either, TICKET, "id", "", era)

    assert len(found.values) == found.total == len(plain.values)
    assert not found.has_more
    assert [one.partition(" (")[0] for one in found.values] == plain.values
    assert plain.values == sorted(plain.values, reverse=True)
    assert all(one.endswith(")") for one in found.values)


@pytest.mark.parametrize("typed", ["TCK-000", "tck-000", "ＴＣＫ－０００", "tck-"])
async def test_an_id_is_completed_from_its_beginning(either: World, typed: str) -> None:
    values = (await complete(either, TICKET, "id", typed)).values

    assert {f"TCK-000{digit}" for digit in range(1, 10)} <= {*values}
    assert typed == "tck-" or len(values) == 9


@pytest.mark.parametrize("typed", ["TCK-0007", "tck-7", "7"])
async def test_the_ticket_with_the_typed_id_is_offered_even_if_no_list_reaches_it(existing: World, typed: str) -> None:
    existing.wire.when("GET", "/tickets", responses(json=[]), always=True)

    found = await complete(existing, TICKET, "id", typed)

    assert (found.values, found.total) == (["TCK-0007"], None)


@pytest.mark.parametrize("typed", ["TCK-0007", "tck-7", "7"])
async def test_the_ticket_with_the_typed_id_comes_first(either: World, typed: str) -> None:
    assert (await complete(either, TICKET, "id", typed)).values[0] == "TCK-0007"


async def test_among_more_tickets_than_are_looked_at_it_is_not_known_whether_there_are_more(existing: World) -> None:
    rows = [{"ticketId": f"TCK-{9_999 - number}", "summary": "x"} for number in range(2_001)]
    existing.wire.when("GET", "/tickets", responses(json=rows), always=True)

    none = await complete(existing, TICKET, "id", "zeppelin")
    many = await complete(existing, TICKET, "id", "")

    assert (none.values, none.total, none.has_more) == ([], None, None)
    assert (len(many.values), many.has_more) == (100, True)


async def test_what_was_chosen_is_found_again(either: World) -> None:
    (first, *_) = (await complete(either, ESCALATION, "ticketId", "TCK-0007")).values
    (person, *_) = (await complete(either, ESCALATION, "toId", "")).values

    assert (await complete(either, ESCALATION, "ticketId", first)).values == [first]
    assert (await complete(either, ESCALATION, "toId", person)).values == [person]


async def test_words_of_a_summary_find_a_ticket(reference: World) -> None:
    values = (await complete(reference, ESCALATION, "ticketId", "freelancers sign")).values

    assert values == ["TCK-0041 (Freelancers cannot sign in from abroad)"]


@pytest.mark.parametrize(
    ("prompt", "argument", "typed", "expected"),
    [
        ("escalation", "toId", "okoro", ["user3 (Tomas Okoro)"]),
        ("hand_over", "fromId", "USER3", ["user3 (Tomas Okoro)"]),
        ("triage", "statusId", "", ["stat1 (New)", "stat2 (In progress)", "stat3 (Waiting for customer)",
                                    "stat4 (Completed)"]),
        ("triage", "statusId", "progress", ["stat2 (In progress)"]),
        ("triage", "language", "j", ["ja"]),
        ("daily_summary", "since", "m", ["monday"]),
        ("escalation", "reason", "a", []),
        ("escalation", "toId", "x" * 1_000, []),
        ("escalation", "ticketId", "x" * 1_000, []),
        ("escalation", "ticketId", "%", []),
    ],
)  # fmt: skip
async def test_values_are_offered_as_the_tools_take_them(
    reference: World, prompt: str, argument: str, typed: str, expected: list[str]
) -> None:
    assert (await complete(reference, PromptReference(name=prompt), argument, typed)).values == expected


async def test_a_name_in_japanese_is_found_in_any_kana(existing: World) -> None:
    assert (await complete(existing, ESCALATION, "toId", "佐藤")).values == ["user7 (佐藤 健)"]


async def test_kinds_are_offered(existing: World) -> None:
    assert (await complete(existing, MASTER, "kind", "")).values == [*KINDS]
    assert (await complete(existing, MASTER, "kind", "CATEGORY")).values == ["category-details"]


async def test_at_most_a_hundred_values_are_offered(existing: World) -> None:
    people = [{"id": f"u{number}", "name": f"Ada {number}"} for number in range(250)]
    existing.wire.when("GET", "/tickets/master/users", responses(json=people), always=True)

    found = await complete(existing, ESCALATION, "toId", "ada")

    assert (len(found.values), found.total, found.has_more) == (100, 250, True)


async def test_namesakes_are_told_apart(existing: World) -> None:
    people = [{"id": f"u{number}", "name": "Ada", "email": f"{number}@example.com"} for number in range(2)]
    existing.wire.when("GET", "/tickets/master/users", responses(json=people), always=True)

    assert (await complete(existing, ESCALATION, "toId", "ada")).values == [
        "u0 (Ada, 0@example.com)", "u1 (Ada, 1@example.com)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ref", "argument", "said"),
    [
        (PromptReference(name="nothing"), "x", "Unknown prompt: 'nothing'"),
        (ResourceTemplateReference(uri="file://{x}"), "x", "Unknown resource template: 'file://{x}'"),
        (TICKET, "kind", "Unknown argument: 'kind'. There are: id."),
    ],
)
async def test_what_is_unknown_is_refused(existing: World, ref: Ref, argument: str, said: str) -> None:
    error = await refused(existing, ref, argument, "")

    assert (error.code, error.message) == (INVALID_PARAMS, said)


@pytest.mark.parametrize("argument", ["ticketId", "toId"])
async def test_a_failing_ticket_api_is_an_error_and_no_empty_list(either: World, argument: str) -> None:
    either.wire.when("GET", "/tickets.*", refuses, always=True)
    with capture_logs() as logs:
        error = await refused(either, ESCALATION, argument, "x")

    assert (error.code, error.data) == (INTERNAL_ERROR, {"kind": "upstream_unavailable"})
    (line,) = [one for one in logs if one["message"] == "read_finished"]
    assert (line["action"], line["name"], line["outcome"]) == ("completion", "escalation", "upstream_unavailable")


async def test_a_slow_ticket_api_is_not_waited_for(existing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completions, "WAIT_S", 0.05)
    existing.wire.when("GET", "/tickets/master/users", hangs, always=True)

    error = await refused(existing, ESCALATION, "toId", "x")

    assert error.message == "The ticket API did not answer within 0.05 s."
    assert error.data == {"kind": "upstream_unavailable"}


async def test_what_is_typed_is_in_no_log(reference: World) -> None:
    with capture_logs() as logs:
        await complete(reference, ESCALATION, "ticketId", "confidential")

    assert "confidential" not in str(logs)
    assert [one["outcome"] for one in logs if one["message"] == "read_finished"] == ["ok"]


def test_every_argument_of_a_prompt_is_completed_or_free_text() -> None:
    fields = itertools.chain.from_iterable(spec.fields for spec in PROMPTS)

    assert {field.name for field in fields if field.source == ()} == {"reason"}


async def test_what_no_request_can_carry_is_completed_by_nothing(existing: World) -> None:
    assert (await complete(existing, TICKET, "id", "TCK-\0")).values == []
    assert (await complete(existing, ESCALATION, "toId", "\0")).values == []
