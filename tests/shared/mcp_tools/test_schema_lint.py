"""Schemas that every model API takes (case C10): the lint itself, and that it is not a looser tool that passes it."""

from typing import Any, Final

import pytest
from pydantic import BaseModel

from shared.mcp_tools.catalog import TOOLS
from shared.mcp_tools.inputs import ToolInput
from shared.mcp_tools.schema import schema_of
from tests.shared.given import TICKET, World
from tests.shared.mcp_tools.schema_lint import complaints

TEXT: Final = {"type": "string"}
SOUND: Final = {
    "type": "object",
    "properties": {
        "name": {**TEXT, "maxLength": 5, "description": "A name."},
        "kind": {**TEXT, "enum": ["a", "b"], "default": "a"},
        "files": {"type": "array", "maxItems": 2, "items": {"type": "object", "properties": {"url": TEXT}}},
    },
    "required": ["name"],
}
FORBIDDEN: Final[dict[str, dict[str, Any]]] = {
    "$ref": {"$ref": "#/$defs/X"},
    "$defs": {**TEXT, "$defs": {}},
    "$schema": {**TEXT, "$schema": "https://json-schema.org/draft/2020-12/schema"},
    "anyOf": {"anyOf": [TEXT, {"type": "integer"}]},
    "oneOf beside a type": {**TEXT, "oneOf": [TEXT]},
    "allOf": {**TEXT, "allOf": [TEXT]},
    "not": {**TEXT, "not": {}},
    "a union type": {"type": ["string", "null"]},
    "a type that is null": {"type": "null"},
    "no type": {"description": "Anything."},
    "const": {**TEXT, "const": "a"},
    "a choice that is null": {**TEXT, "enum": ["a", None]},
    "no choices": {**TEXT, "enum": []},
    "exclusiveMinimum": {"type": "integer", "exclusiveMinimum": 0},
    "additionalProperties": {"type": "object", "properties": {}, "additionalProperties": False},
    "additionalProperties as a schema": {"type": "object", "properties": {}, "additionalProperties": TEXT},
    "a required name without a property": {"type": "object", "properties": {}, "required": ["x"]},
    "an array without items": {"type": "array"},
    "items that are a list": {"type": "array", "items": [TEXT]},
    "true": True,  # type: ignore[dict-item]  # a schema by the specification
}


def test_a_sound_schema_passes() -> None:
    assert complaints(SOUND, needs_items=True) == []


@pytest.mark.parametrize("node", FORBIDDEN.values(), ids=FORBIDDEN)
def test_every_forbidden_thing_is_found_at_every_depth(node: Any) -> None:
    places = (
        {"type": "object", "properties": {"x": node}},
        {"type": "object", "properties": {"x": {"type": "array", "items": node}}},
        {"type": "object", "properties": {"x": {"type": "object", "properties": {"y": node}}}},
    )
    for schema in places:
        assert complaints(schema, needs_items=True), schema


@pytest.mark.parametrize(
    "more",
    [{"anyOf": [SOUND]}, {"oneOf": []}, {"allOf": []}, {"not": {}}, {"additionalProperties": False}, {"$defs": {}}],
)
def test_the_root_has_no_combinator(more: dict[str, Any]) -> None:
    assert complaints({**SOUND, **more}, needs_items=True)
    assert complaints({"properties": {}}, needs_items=True)
    assert complaints({"type": "object"}, needs_items=True)


@pytest.mark.parametrize("spec", TOOLS, ids=lambda spec: spec.name)
def test_every_tool_passes(spec: Any) -> None:
    assert complaints(schema_of(spec.input_model), needs_items=True) == []
    assert complaints(spec.output_schema, needs_items=False) == []


def test_a_reference_is_replaced_and_keeps_the_description_of_the_field() -> None:
    class Inner(BaseModel):
        """Of the type."""

        title: str
        default: int | None = None

    class Outer(ToolInput):
        inner: Inner | None = None
        many: list[Inner] | None = None

    made = schema_of(Outer)

    inner = {
        "type": "object",
        "description": "Of the type.",
        "properties": {"title": TEXT, "default": {"type": "integer"}},
        "required": ["title"],
    }
    assert made == {"type": "object", "properties": {"inner": inner, "many": {"type": "array", "items": inner}}}


def test_a_real_union_is_left_for_the_lint_to_find() -> None:
    class Either(ToolInput):
        one: int | str = 1

    assert complaints(schema_of(Either), needs_items=True) == ["root.one has the type None", "root.one has anyOf"]


@pytest.mark.parametrize(
    ("tool", "arguments", "field"),
    [
        ("get_statuses", {"colour": 1}, "colour"),
        ("get_ticket_list", {"limit": 1, "Limit": 1}, "Limit"),
        (
            "create_ticket",
            TICKET | {"attachments": [{"fileName": "a", "fileUrl": "b", "size": 1}]},
            "attachments.0.size",
        ),
        ("update_ticket", {"ticketId": "TCK-0001", "updatedById": "user1", "colour": 1}, "colour"),
    ],
)
async def test_unknown_names_are_refused_though_no_schema_says_so(
    existing: World, tool: str, arguments: dict[str, Any], field: str
) -> None:
    text, error = await existing.refused(tool, **arguments)

    assert error["field"] == field
    assert "Nothing was changed." in text
    assert existing.wire.writes() == []
