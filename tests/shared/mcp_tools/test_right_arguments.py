"""The line with the right arguments: complete, readable by a machine, and only where they are known."""

import json
from typing import Any, Final

import pytest

from shared.errors import Problem
from shared.mcp_tools.right_arguments import MOST_BYTES, call_again, in_code, right_arguments
from tests.corpus.repairer import repaired
from tests.shared.given import TICKET, World, text_of

RENAMED: Final = Problem("assignee", "is not an argument", right={"personInChargeId": "user3"})
UNKNOWN: Final = Problem("statusId", "no such id")


def test_every_correction_is_made_at_its_place() -> None:
    arguments = {
        "assignee": "user3",
        "colour": "red",
        "attachments": [{"url": "u", "fileName": "f"}, "text"],
        "limit": 3,
    }
    problems = [
        RENAMED,
        Problem("colour", "", right={}),
        Problem("attachments.0.url", "", right={"fileUrl": "u"}),
        Problem("attachments.1", "", right={"1": {"fileName": "g"}}),
        Problem("", "the dates are the wrong way round", right={"limit": 4}),
    ]

    assert right_arguments(arguments, problems) == {
        "personInChargeId": "user3",
        "attachments": [{"fileUrl": "u", "fileName": "f"}, {"fileName": "g"}],
        "limit": 4,
    }
    assert arguments["colour"] == "red", "the arguments themselves stay"


@pytest.mark.parametrize(
    "problems",
    [[UNKNOWN], [RENAMED, UNKNOWN], [], [Problem("gone", "", right={})], [Problem("assignee.0.x", "", right={})]],
)
def test_without_a_known_correction_of_each_problem_there_is_no_line(problems: list[Problem]) -> None:
    assert call_again({"assignee": "user3", "statusId": "x"}, problems) == ""


def test_long_arguments_are_not_repeated_unless_they_are_corrected() -> None:
    long = "あ" * MOST_BYTES
    dropped = Problem("colour", "", right={})

    said = call_again({"assignee": "user3", "colour": 1, "description": long}, [RENAMED, dropped])

    assert said == 'Call again without assignee, without colour, changing only: {"personInChargeId": "user3"}'
    assert call_again({"description": 1}, [Problem("description", "", right={"description": long})]) == ""


def test_no_character_of_the_line_is_invisible_or_ends_its_code_span() -> None:
    value = "a`b\u202e\u200b\U000e0041\n\x7f\ud800|*日"

    line = call_again({"x": 1, "remarks": value}, [Problem("x", "", right={})])

    assert line.isprintable()
    assert "`" not in line
    assert json.loads(line.removeprefix("Call again with: ")) == {"remarks": value}
    assert in_code(line).count("`") == 2


@pytest.mark.parametrize(
    ("tool", "wrong", "right"),
    [
        ("get_ticket_detail", {"id": "TCK-0001"}, {"ticketId": "TCK-0001"}),
        ("get_ticket_list", {"sessionId": "x", "assignee": "user1", "q": "VPN"},
         {"personInChargeId": "user1", "searchQuery": "VPN"}),
        ("get_ticket_list", {"filters": {"statusId": "stat1"}}, {"statusId": "stat1"}),
        ("create_ticket", TICKET | {"actualEffortHours": 1.25}, TICKET | {"actualEffortHours": 1.3}),
        ("create_ticket", TICKET | {"attachments": ["https://files.example.com/a%20b.txt"]},
         TICKET | {"attachments": [{"fileName": "a b.txt", "fileUrl": "https://files.example.com/a%20b.txt"}]}),
        ("create_ticket", TICKET | {"idempotencyKey": "二 words"}, TICKET | {"idempotencyKey": "%E4%BA%8C%20words"}),
    ],
    ids=["another word", "several", "nested", "rounded", "a URL alone", "a key"],
)  # fmt: skip
async def test_the_line_has_the_whole_right_arguments_and_they_work(
    existing: World, tool: str, wrong: dict[str, Any], right: dict[str, Any]
) -> None:
    result = await existing.call(tool, **wrong)
    text = text_of(result)

    assert result.is_error
    assert json.loads(text.split("\nCall again with: `")[1].removesuffix("`")) == right
    assert result.structured_content is not None
    error = result.structured_content["error"]
    assert error["callAgain"] == f"Call again with: {json.dumps(right, ensure_ascii=False)}"
    assert repaired(wrong, text, error) == right
    await existing.done(tool, **right)


async def test_a_machine_corrects_what_has_candidates_or_a_bound(existing: World) -> None:
    for tool, wrong, field, right in (
        ("get_ticket_list", {"limit": 0}, "limit", 1),
        ("get_ticket_list", {"sortOrder": "dsc"}, "sortOrder", "desc"),
        ("create_ticket", TICKET | {"summary": "x" * 201}, "summary", "x" * 200),
        ("create_ticket", TICKET | {"statusId": ""}, "statusId", "stat1"),
    ):
        result = await existing.call(tool, **wrong)
        assert result.structured_content is not None
        again = repaired(wrong, text_of(result), result.structured_content["error"])
        assert again == wrong | {field: right}
