"""Between the JSON of a call and an input model: the schema that is told, and everything that is wrong at once."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from shared.errors import Problem
from shared.inputs import ToolInput
from shared.markdown import one_line

InputT = TypeVar("InputT", bound=ToolInput)
_QUOTED: Final = re.compile(r"'([^']*)'")


@cache  # a door builds one server, tests many
def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of `model` as short as it goes, to be read only: no titles, no `null`."""
    schema: dict[str, Any] = _lean(model.model_json_schema())
    schema.pop("description", None)  # that of the tool says it already
    return schema


def _lean(node: Any, *, names: bool = False) -> Any:
    """Drop titles, null alternatives and null defaults; where `names`, keys are fields and not words of the schema."""
    if isinstance(node, list):
        return [_lean(item) for item in node]
    if not isinstance(node, dict):
        return node
    if names:
        return {key: _lean(value) for key, value in node.items()}
    lean = {
        key: _lean(value, names=key in {"properties", "$defs"})
        for key, value in node.items()
        if key != "title" and not (key == "default" and value is None)
    }
    solid = [kind for kind in lean.get("anyOf", []) if kind != {"type": "null"}]
    if len(solid) == 1:
        del lean["anyOf"]
        lean = {**solid[0], **lean}
    return lean


def read_arguments(model: type[InputT], arguments: Mapping[str, Any]) -> tuple[InputT | None, list[Problem]]:
    """Return the arguments as `model`, or everything that is wrong with their form."""
    try:
        return model.model_validate(dict(arguments)), []
    except ValidationError as error:
        return None, [_problem(model, dict(found)) for found in error.errors(include_url=False, include_input=False)]


def _problem(model: type[ToolInput], found: Mapping[str, Any]) -> Problem:
    """Say what is wrong without repeating the value: it may be long, or not meant for us."""
    path = one_line(".".join(str(part)[:50] for part in found["loc"]))
    fields = {info.alias: info for info in model.model_fields.values()}
    described = fields[path].description if path in fields else None
    hint = f" ({described.rstrip('.')})" if described else ""
    match found["type"]:
        case "extra_forbidden" if len(found["loc"]) == 1:
            names = tuple(str(name) for name in fields)
            return Problem(path, "is not an argument of this tool", names)
        case "missing":
            return Problem(path, f"is missing{hint}")
        case "literal_error":
            return Problem(path, "must be one of the allowed values", tuple(_QUOTED.findall(found["ctx"]["expected"])))
        case "value_error":
            return Problem(path, str(found["ctx"]["error"]))
        case _:
            return Problem(path, str(found["msg"]).replace("Input should", "should").replace("String", "text") + hint)
