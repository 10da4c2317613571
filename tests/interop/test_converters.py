"""What the libraries of model APIs make of the real list of tools: every tool, strict and not (case C10)."""

import asyncio
import json
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from shared.mcp_tools.catalog import TOOLS
from shared.mcp_tools.schema import schema_of
from tests.interop import environments
from tests.processes import ROOT
from tests.renew import SNAPSHOT, renewed

pytestmark = [pytest.mark.long, pytest.mark.timeout(300, func_only=True)]

CONVERTERS: Final = ("gemini", "openai", "openai_strict", "claude", "claude_strict")
NEVER_STRICT: Final = frozenset(spec.name for spec in TOOLS if not spec.input_model.model_fields)
"""openai-agents makes an object without properties strict only with `additionalProperties: false`, with which
google-genai 3.6.1 fails. It falls back to the other kind by itself, which for no arguments means the same."""


@pytest.fixture(scope="module")
def converted() -> Mapping[str, Mapping[str, Any]]:
    """What each converter made of each tool: a schema, or an error as text."""
    command = [environments.python("converters"), "-m", "tests.interop.drivers.converters"]
    listed = json.dumps({"tools": json.loads(asyncio.run(renewed())[SNAPSHOT])})
    done = subprocess.run(
        command, cwd=ROOT, input=listed, capture_output=True, encoding="utf-8", timeout=200, check=True
    )
    made: Mapping[str, Mapping[str, Any]] = json.loads(done.stdout)
    return made


@pytest.mark.parametrize("converter", CONVERTERS)
def test_every_tool_is_converted_with_all_arguments_required_names_and_choices(
    converted: Mapping[str, Mapping[str, Any]], converter: str
) -> None:
    made = dict(converted[converter])
    if converter == "openai_strict":
        assert {made.pop(name) for name in NEVER_STRICT} == {"ValueError: not strict"}

    assert [name for name, schema in made.items() if isinstance(schema, str)] == []
    missing = [
        (spec.name, list(lost(schema_of(spec.input_model), made[spec.name]))) for spec in TOOLS if spec.name in made
    ]
    assert missing == [(name, []) for name in made]


def test_every_converter_was_given_every_tool(converted: Mapping[str, Mapping[str, Any]]) -> None:
    every = tuple(spec.name for spec in TOOLS)

    assert {name: tuple(made) for name, made in converted.items()} == dict.fromkeys(CONVERTERS, every)


def lost(given: Mapping[str, Any], made: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield what a converter dropped or changed of a schema, at any depth."""
    if "type" in made and made["type"].lower() != given["type"]:
        yield f"{path} is {made['type']}"
    if "type" not in made and made.get("enum") != given.get("enum"):
        yield f"{path} has no type"
    if made.get("enum", given.get("enum")) != given.get("enum"):
        yield f"{path} has the choices {made['enum']}"
    if given.get("description", "") not in made.get("description", ""):
        yield f"{path} is described otherwise"
    if not set(given.get("required", ())) <= set(made.get("required", ())):
        yield f"{path} requires {made.get('required')}"
    if "items" in given:
        yield from lost(given["items"], made.get("items", {}), f"{path}[]")
    for name, field in given.get("properties", {}).items():
        yield from lost(field, made.get("properties", {}).get(name, {}), f"{path}.{name}")
