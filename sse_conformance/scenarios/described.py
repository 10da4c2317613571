"""What is wrong with one item of a list, as a sentence; empty if nothing is. Pure.

Source: modelcontextprotocol.io/specification/2024-11-05/server/tools, …/prompts, …/resources ("Data Types"), schema.ts
"""

import json
from collections.abc import Mapping
from typing import Any, Final

_TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
Item = Mapping[str, Any]


def tool_fault(tool: Item) -> str:
    """Say what a tool lacks."""
    if fault := _missing(tool, "A tool", "name") or _wrong_text(tool, "tool", "description"):
        return fault
    whose = f"the tool {tool['name']!r}"
    if "inputSchema" not in tool:
        return f"{whose.capitalize()} has no inputSchema."
    schema = tool["inputSchema"]
    if not isinstance(schema, dict):
        return f"The inputSchema of {whose} is {_short(schema)}, no JSON Schema."
    if schema.get("type") != "object":
        return f'The inputSchema of {whose} has the type {_short(schema.get("type"))}, not "object".'
    return _schema_fault(schema, f"the inputSchema of {whose}")


def _schema_fault(schema: Item, of: str) -> str:
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        return f"The properties in {of} are {_short(properties)}, no object."
    for name, value in properties.items():
        if not isinstance(value, dict | bool) or not _has_known_types(value):
            return f"The property {name!r} in {of} is {_short(value)}, no JSON Schema."
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        return f"What is required in {of} is {_short(required)}, no list of names."
    return ""


def _has_known_types(schema: Item | bool) -> bool:
    types = schema.get("type", []) if isinstance(schema, dict) else []
    return all(isinstance(one, str) and one in _TYPES for one in (types if isinstance(types, list) else [types]))


def prompt_fault(prompt: Item) -> str:
    """Say what a prompt lacks."""
    if fault := _missing(prompt, "A prompt", "name") or _wrong_text(prompt, "prompt", "description"):
        return fault
    arguments = prompt.get("arguments", [])
    if not isinstance(arguments, list) or not all(isinstance(one, dict) for one in arguments):
        return f"The arguments of the prompt {prompt['name']!r} are {_short(arguments)}, no list of objects."
    whose = f"An argument of the prompt {prompt['name']!r}"
    return next(filter(None, (_missing(one, whose, "name") for one in arguments)), "")


def resource_fault(resource: Item) -> str:
    """Say what a resource lacks."""
    fault = _missing(resource, "A resource", "uri") or _missing(resource, "A resource", "name")
    if fault or ":" in resource["uri"]:
        return fault
    return f"The uri of a resource is {_short(resource['uri'])}, which has no scheme."


def template_fault(template: Item) -> str:
    """Say what a resource template lacks."""
    what = "A resource template"
    return _missing(template, what, "uriTemplate") or _missing(template, what, "name")


def _missing(item: Item, what: str, member: str) -> str:
    value = item.get(member)
    return "" if isinstance(value, str) and value else f"{what} has no {member}: {_short(item)}"


def _wrong_text(item: Item, what: str, member: str) -> str:
    value = item.get(member, "")
    return "" if isinstance(value, str) else f"The {member} of a {what} is {_short(value)}, no text: {_short(item)}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:80]}…"
