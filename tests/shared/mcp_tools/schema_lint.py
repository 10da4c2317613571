"""What is certain about schemas that every model API takes: `complaints` says where a schema is something else.

Sources: the fields of `Schema` in the Gemini API, which answers others with 400 "Cannot find field", an array without
`items` with "missing field", and a required name without a property with "property is not defined"; strict function
schemas of OpenAI and Anthropic, which have no `oneOf`, `allOf` or `not`, and no combinator at the top level.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

TYPES: Final = frozenset({"object", "array", "string", "integer", "number", "boolean"})
KEYWORDS: Final = frozenset({
    *("type", "description", "default", "enum", "properties", "required", "items"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern"),
})  # fmt: skip


def complaints(schema: Mapping[str, Any], *, needs_items: bool) -> list[str]:
    """Return what is wrong with a tool's schema; `needs_items` for the schema of an input."""
    root = [] if schema.get("type") == "object" and "properties" in schema else ["the root is no object"]
    return [*root, *_complaints(schema, "root", needs_items=needs_items)]


def _complaints(node: object, path: str, *, needs_items: bool) -> Iterator[str]:
    if not isinstance(node, dict):
        yield f"{path} is no schema"
        return
    if not isinstance(node.get("type"), str) or node["type"] not in TYPES:
        yield f"{path} has the type {node.get('type')!r}"
    yield from (f"{path} has {keyword}" for keyword in node if keyword not in KEYWORDS)
    choices = node.get("enum", ["choice"])
    if not choices or not all(isinstance(one, str) and one for one in choices):
        yield f"{path} has the choices {choices!r}"
    yield from (
        f"{path} requires {name}" for name in node.get("required", ()) if name not in node.get("properties", {})
    )
    if needs_items and node.get("type") == "array" and "items" not in node:
        yield f"{path} has no items"
    inside = {f"{path}.{name}": field for name, field in node.get("properties", {}).items()}
    inside |= {f"{path}[]": node["items"]} if "items" in node else {}
    for name, field in inside.items():
        yield from _complaints(field, name, needs_items=needs_items)
