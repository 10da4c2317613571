"""Bounds of one call: a violation is refused at once, before validation, for every tool and argument."""

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client, MCPError
from mcp_types import INVALID_PARAMS

from shared.bounds import (
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_ITEMS,
    MAX_NAME,
    MAX_NAMES,
    MAX_VALUES,
    excess,
    has_more_values,
    holds_more_values,
)
from shared.client_habits import ClientHabits
from shared.errors import MAX_PROBLEMS
from shared.mcp_tools.arguments.habits import MAX_LIST_TEXT, Reading
from shared.mcp_tools.catalog import TOOLS, ToolSpec
from shared.mcp_tools.inputs import CreateTicketInput
from shared.mcp_tools.schema import read_arguments
from tests.kills import kills
from tests.shared.cost import costs_less
from tests.shared.given import TICKET, World, text_of

MANY: Final = {f"name-{number}": number for number in range(60_000)}
QUICK_S: Final = 0.05
"""Seconds of the processor; a tenth is usual, while quadratic code took minutes."""
MOST_BYTES: Final = 12_000
REFUSED: Final = {"kind": "invalid_input", "effect": "nothing_changed"}
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab,[]{}:"\\\n'),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(alphabet='a,[{"\\'), inner, max_size=5),
    max_leaves=30,
)


def nested(depth: int) -> Any:
    """Return nested lists as arguments, `depth` levels in all."""
    value: Any = "x"
    for _ in range(depth - 1):
        value = [value]
    return {"a": value}


def values_in(value: object) -> int:
    """Count values the straightforward way."""
    inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return len(inside) + sum(map(values_in, inside))


def empty_in(value: object) -> int:
    """Count empty lists and objects, which the text check cannot distinguish from those with one value."""
    if not isinstance(value, dict | list):
        return 0
    return sum(map(empty_in, value.values() if isinstance(value, dict) else value)) if value else 1


# --- one bound at a time

AT_THE_BOUND: Final[dict[str, Any]] = {
    "names": {str(number): 0 for number in range(MAX_NAMES)},
    "items": {"a": [0] * MAX_ITEMS},
    "values": {str(number): [0] * (MAX_ITEMS - 1) for number in range(MAX_VALUES // MAX_ITEMS)},
    "depth": nested(MAX_DEPTH),
    "a name": {"n" * MAX_NAME: 0},
    "digits": {"a": 10**MAX_DIGITS - 1, "b": 1 - 10**MAX_DIGITS},
}
OVER_IT: Final[dict[str, tuple[Any, str]]] = {
    "names": ({str(number): 0 for number in range(MAX_NAMES + 1)}, "101 names in one object, where at most 100 are"),
    "names inside": ({"a": [AT_THE_BOUND["names"] | {"more": 0}]}, "101 names in one object, where at most 100 are"),
    "items": ({"a": [0] * (MAX_ITEMS + 1)}, "101 items in one list, where at most 100 are allowed"),
    "values": (AT_THE_BOUND["values"] | {"more": 0}, "more than 1,000 values"),
    "depth": (nested(MAX_DEPTH + 1), "values nested more than 5 deep"),
    "depth of objects": ({"a": {"b": {"c": {"d": {"e": {}}}}}}, "values nested more than 5 deep"),
    "a name": ({"n" * (MAX_NAME + 1): 0}, "a name of more than 100 characters"),
    "a name inside": ({"a": [{"n" * (MAX_NAME + 1): 0}]}, "a name of more than 100 characters"),
    "digits": ({"a": 10**MAX_DIGITS}, "a number of more than 50 digits"),
    "digits of a negative number": ({"a": [-(10**4000)]}, "a number of more than 50 digits"),
}


@pytest.mark.parametrize("arguments", AT_THE_BOUND.values(), ids=AT_THE_BOUND.keys())
def test_what_is_at_a_bound_passes(arguments: Any) -> None:
    assert excess(arguments) is None


@kills("shared/bounds.py", "if seen > MAX_VALUES:", "if False:")
@pytest.mark.parametrize(("arguments", "said"), OVER_IT.values(), ids=OVER_IT.keys())
def test_what_is_over_a_bound_is_named_with_what_is_allowed(arguments: Any, said: str) -> None:
    found = excess(arguments)

    assert found is not None
    assert found.startswith(said)


@given(JSON, st.integers(0, 20))
def test_values_are_counted_in_text_as_after_it_was_parsed(value: Any, most: int) -> None:
    text = json.dumps(value, ensure_ascii=False).encode()

    assert holds_more_values(value, most) == (values_in(value) > most)
    assert has_more_values(text, most) == (values_in(value) + empty_in(value) > most)


@pytest.mark.parametrize("text", ['"' + ",[{" * 500, "\\" * 1000 + ",[{" * 500, '"\\' * 1000, '"a"' * 1000])
def test_text_that_is_no_json_is_left_to_the_parser(text: str) -> None:
    assert not has_more_values(text.encode(), len(text))


def test_sixty_thousand_names_cost_a_moment() -> None:
    assert costs_less(lambda: [excess(MANY) for _ in range(10)], QUICK_S)
    assert excess(MANY) is not None


# --- whole calls

TOO_MUCH: Final[dict[str, Any]] = {
    "a list of 150,000": [0] * 150_000,
    "an object with 80,000 names": {f"k{number}": number for number in range(80_000)},
    "a list with such an object": [{f"k{number}": number for number in range(80_000)}],
    "lists in each other": nested(150)["a"],
    "a number of 4,000 digits": 10**3999,
}


def fields_of(tool: ToolSpec) -> list[str]:
    """Return some arguments of a tool, and one that it does not have."""
    return [*[str(info.alias) for info in tool.input_model.model_fields.values()][-3:], "unknown"]


@kills("shared/mcp_tools/tool.py", "refuse_excess(arguments)", "pass")
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
async def test_every_tool_refuses_too_much_before_it_looks_at_it(existing: World, tool: ToolSpec) -> None:
    calls = [MANY, *({name: value} for name in fields_of(tool) for value in TOO_MUCH.values())]
    async with Client(existing.server) as client:
        for arguments in calls:
            result = await client.call_tool(tool.name, arguments)
            assert result.is_error
            assert text_of(result).startswith("The arguments are too large: ")
            assert text_of(result).endswith("Nothing was changed.")
            assert result.structured_content is not None
            assert result.structured_content["error"].items() >= REFUSED.items()

    assert existing.wire.sent == []
    counted = existing.counter.total("tool_calls", tool=tool.name, outcome="invalid_input", tenant="default")
    assert counted == len(calls), "refused calls are counted, and those that write are in the audit"
    assert len(existing.trail.events) == (0 if tool.read_only else len(calls))  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [1, MAX_PROBLEMS, MAX_PROBLEMS + 1, MAX_NAMES])
async def test_at_most_twenty_problems_are_reported_and_how_many_there_are(existing: World, number: int) -> None:
    text, error = await existing.refused("get_users", **{f"name-{one}": one for one in range(number)})

    lines = text.split("\n")
    assert text.count("is not an argument of this tool") == min(number, MAX_PROBLEMS)
    assert text.count("Allowed: query, limit, offset, role") == 1
    if number > 1:
        assert lines[0] == f"{number} problems:"
        assert len(error["problems"]) == min(number, MAX_PROBLEMS)
    more = [line for line in lines if line.startswith("- and ")]
    assert more == ([f"- and {number - MAX_PROBLEMS} more"] if number > MAX_PROBLEMS else [])


@pytest.mark.parametrize(
    "arguments",
    [
        {f"{'n' * 95}{number}": number for number in range(MAX_NAMES)},
        TICKET | {"attachments": [{}] * MAX_ITEMS},
        TICKET | {"attachments": [{"fileName": ["x"], "fileUrl": {}, "x": 1}] * 80},
        dict.fromkeys(TICKET, "no such thing"),
    ],
    ids=["unknown names", "empty attachments", "wrong attachments", "unknown references"],
)
async def test_a_refusal_is_short_whatever_is_refused(existing: World, arguments: dict[str, Any]) -> None:
    for tool in ("create_ticket", "update_ticket"):
        result = await existing.call(tool, **arguments)
        assert result.is_error
        assert len(result.model_dump_json()) < MOST_BYTES, tool


@pytest.mark.parametrize("uri", ["docs://" + "a" * 500_000, "x" * 2_001])
async def test_an_error_about_a_resource_does_not_repeat_a_long_uri(existing: World, uri: str) -> None:
    async with Client(existing.server) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)

    assert caught.value.error.code == INVALID_PARAMS
    assert str(caught.value) == "A resource's URI has at most 2,000 characters."
    assert caught.value.error.data is None


# --- a list sent as text

ATTACHMENT: Final = {"fileName": "あ" * 255, "fileUrl": f"https://files.example.com/{'あ' * 1974}"}
TEXTS: Final = {
    "150,000 items": json.dumps([0] * 140_000),
    "101 items": json.dumps([0] * (MAX_ITEMS + 1)),
    "80,000 names": json.dumps([TOO_MUCH["an object with 80,000 names"]]),
    "101 names": json.dumps([AT_THE_BOUND["names"] | {"more": 0}]),
    "lists in each other": "[" * 100_000,
    "closed lists in each other": "[" * 900 + "]" * 900,
    "a long number": f"[{'9' * 200_000}]",
    "one long text": json.dumps("a" * MAX_LIST_TEXT),
}


@kills(
    "shared/mcp_tools/arguments/lists.py", "if (found := excess(value)) is not None:", "if (found := None) is not None:"
)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_bounds_hold_for_a_list_that_is_sent_as_text(text: str) -> None:
    arguments = TICKET | {"attachments": text}
    _, problems = read_arguments(CreateTicketInput, arguments, Reading(ClientHabits()))

    assert costs_less(lambda: read_arguments(CreateTicketInput, arguments, Reading(ClientHabits())), QUICK_S)
    assert [problem.field for problem in problems] == ["attachments"]
    assert problems[0].text.startswith(("must be a list", "is too large: "))


def test_the_longest_list_that_is_allowed_may_be_sent_as_text() -> None:
    text = json.dumps([ATTACHMENT] * 20)  # each character as \\u3042
    new, problems = read_arguments(CreateTicketInput, TICKET | {"attachments": text}, Reading(ClientHabits()))

    assert problems == []
    assert new is not None
    assert new.attachments is not None
    assert len(new.attachments) == 20
