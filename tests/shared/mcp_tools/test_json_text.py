"""JSON text instead of the JSON that it holds: arguments, lists, items (case C13)."""

import json
from typing import Any, Final

import pytest

from shared.client_habits import ClientHabits
from shared.mcp_tools.arguments.habits import MAX_ARGUMENTS_TEXT, MAX_LIST_TEXT, arguments_object
from shared.mcp_tools.inputs import CreateTicketInput, ToolInput, UpdateTicketInput
from tests.shared.given import TICKET, World

UPDATE: Final = {"ticketId": "TCK-0001", "updatedById": "user1"}
FILE: Final = {"fileName": "a.txt", "fileUrl": "https://files.example.com/a.txt"}


def served(here: World) -> int:
    return here.counter.total("client_habits", habit="stringified")


NO_OBJECT: Final[dict[str, Any]] = {
    "a list": [],
    "a number": 5,
    "a truth": True,
    "text that is no JSON": "limit=3",
    "half an object": '{"limit": 3',
    "text of a list": "[]",
    "text of text": json.dumps(json.dumps({"limit": 3})),
    "text of a number": "3",
    "very long text": json.dumps({"comment": "a" * MAX_ARGUMENTS_TEXT}),
    "very many values": json.dumps({str(number): 0 for number in range(1001)}),
    "lists in each other": "[" * 900 + "]" * 900,
}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("{}", {}),
        ('{"limit": 3}', {"limit": 3}),
        (' {"a": {"b": "\\u3042"}}\n', {"a": {"b": "あ"}}),
        ("", {}),
        (" \n", {}),
        ("null", {}),
    ],
)
def test_arguments_as_json_text_are_read(text: str, meant: dict[str, Any]) -> None:
    assert arguments_object(text, ClientHabits()) == meant


@pytest.mark.parametrize("given", NO_OBJECT.values(), ids=NO_OBJECT)
def test_what_is_no_object_is_answered_by_a_sentence(given: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^The arguments of a call must be a JSON object, for example .*\.$"
    ) as caught:
        arguments_object(given, ClientHabits())

    assert len(str(caught.value)) < 200


def test_arguments_as_json_text_are_refused_when_their_row_is_off() -> None:
    with pytest.raises(ValueError, match=r"must be a JSON object, .*, not text that holds one\.$"):
        arguments_object("{}", ClientHabits(off=["stringified"]))


@pytest.mark.parametrize(
    "attachments",
    [
        [json.dumps(FILE), json.dumps(FILE | {"fileName": "b.txt"})],
        [json.dumps(FILE), FILE | {"fileName": "b.txt"}],
        json.dumps([FILE, FILE | {"fileName": "b.txt"}]),
        json.dumps([json.dumps(FILE), json.dumps(FILE | {"fileName": "b.txt"})]),
        [json.dumps({"file_name": "a.txt", "FileURL": FILE["fileUrl"]}), FILE | {"fileName": "b.txt"}],
    ],
    ids=["items", "one item", "list", "both", "other spellings of names"],
)
async def test_json_text_inside_the_arguments_is_read_and_counted_once(reference: World, attachments: Any) -> None:
    done = await reference.done("create_ticket", **TICKET, attachments=attachments)

    assert [one["fileName"] for one in done["ticket"]["attachments"]] == ["a.txt", "b.txt"]
    assert served(reference) == 1


UNREADABLE: Final[tuple[tuple[Any, str, str], ...]] = (
    (["a.txt"], "attachments.0", "must be an object with fileName and fileUrl, and this text is not JSON"),
    (
        [FILE, "[]"],
        "attachments.1",
        "must be an object with fileName and fileUrl, and this text holds something else",
    ),
    ([json.dumps(json.dumps(FILE))], "attachments.0", "and this text holds something else"),
    ([5], "attachments.0", "must be an object with fileName and fileUrl"),
    ([None], "attachments.0", "must be an object with fileName and fileUrl"),
    (['{"fileName": "a"}'], "attachments.0.fileUrl", "is missing"),
    ([json.dumps(FILE | {"sessionId": "x"})], "attachments.0.sessionId", ""),
    ([json.dumps({"x": [0] * 101})], "attachments.0", "is too large: 101 items"),
    ([json.dumps(FILE | {"fileUrl": "a" * MAX_LIST_TEXT})], "attachments.0", "as text, at most 300,000 characters"),
    ("a.txt", "attachments", "must be a list, and this text is not JSON"),
    ("3", "attachments", "must be a list, and this text holds something else"),
    (5, "attachments", "must be a list"),
    (["https://files.example.com/a.txt"], "attachments.0", "fileName and fileUrl, not a URL alone"),
)


async def test_what_cannot_be_read_is_answered_by_a_sentence(existing: World) -> None:
    for attachments, field, said in UNREADABLE:
        text, error = await existing.refused("create_ticket", **TICKET, attachments=attachments)
        assert error["field"] == field
        assert said in text
    assert existing.wire.writes() == []


async def test_json_text_inside_is_refused_when_the_row_is_off(existing: World) -> None:
    existing.habits = ClientHabits(off=["stringified"], counter=existing.counter)

    text, error = await existing.refused("create_ticket", **TICKET, attachments=[json.dumps(FILE)])
    clear, _ = await existing.refused("update_ticket", **UPDATE, clear='["remarks"]')

    assert error["field"] == "attachments.0"
    assert "must be an object with fileName and fileUrl, not text that holds one" in text
    assert "clear: must be a list, not text that holds one" in clear
    assert served(existing) == 0


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        (CreateTicketInput, TICKET | {"attachments": json.dumps([FILE])}),
        (UpdateTicketInput, UPDATE | {"clear": '["remarks"]'}),
    ],
)
def test_without_a_reading_a_model_is_strict(model: type[ToolInput], arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be a list"):
        model.model_validate(arguments)
