"""Between a call's JSON and its input model: the published schema, and validation that reports all problems at once."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from shared.bounds import excess
from shared.errors import InvalidInputError, Problem
from shared.markdown import one_line
from shared.mcp_tools.argument_habits import Reading, named
from shared.mcp_tools.inputs import ToolInput

InputT = TypeVar("InputT", bound=ToolInput)
_QUOTED: Final = re.compile(r"'([^']*)'")


@cache  # an entry point builds one server, the tests build many
def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return a JSON Schema of `model` that every model API takes. It is cached: do not change it.

    It has no titles, `null`, references, unions or `additionalProperties`: converters of model APIs refuse them.
    Unknown names are refused when arguments are read.
    """
    schema = model.model_json_schema()
    lean: dict[str, Any] = _lean(schema, schema.pop("$defs", {}))
    lean.pop("description", None)  # the tool's own description has the same text
    return lean


def _lean(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with what it refers to in its place, and without what model APIs refuse."""
    lean: dict[str, Any] = {}
    meant: dict[str, Any] = {}
    for key, value in node.items():
        match key:
            case "title" | "additionalProperties":
                pass
            case "default" if value is None:
                pass
            case "$ref":
                meant = _lean(definitions[value.rpartition("/")[2]], definitions)
            case "anyOf" if len(solid := [kind for kind in value if kind != {"type": "null"}]) == 1:
                meant = _lean(solid[0], definitions)
            case "properties":
                lean[key] = {name: _lean(field, definitions) for name, field in value.items()}
            case "items":
                lean[key] = _lean(value, definitions)
            case _:
                lean[key] = value
    return {**meant, **lean}


def refuse_excess(arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that are larger than any tool can use, before they are parsed further.

    Raises:
        InvalidInputError: they exceed a bound of `shared.bounds`.
    """
    if (found := excess(arguments)) is not None:
        raise InvalidInputError(f"The arguments are too large: {found}.")


def read_arguments(
    model: type[InputT], arguments: Mapping[str, Any], reading: Reading
) -> tuple[InputT | None, list[Problem]]:
    """Return the arguments as `model`, or all problems with their form."""
    try:
        return model.read(arguments, reading), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    fields = {str(info.alias): info for info in model.model_fields.values()}
    return None, list(_names_listed_once([_problem(fields, dict(one)) for one in found], tuple(fields)))


def _names_listed_once(problems: Iterable[Problem], names: tuple[str, ...]) -> Iterator[Problem]:
    """Yield `problems`, listing all argument names only with the first unknown argument; a caller needs them once."""
    are_listed = False
    for problem in problems:
        is_unknown = problem.allowed == names
        yield problem._replace(allowed=()) if is_unknown and are_listed else problem
        are_listed |= is_unknown


def _problem(fields: Mapping[str, FieldInfo], found: Mapping[str, Any]) -> Problem:
    """Describe a problem without repeating the value, which may be long or confidential."""
    path = one_line(".".join(named(str(part)[:50]) for part in found["loc"]))
    described = fields[path].description if path in fields else None
    hint = f" ({described.rstrip('.')})" if described else ""
    match found["type"]:
        case "extra_forbidden" if len(found["loc"]) == 1:
            return Problem(path, "is not an argument of this tool", tuple(fields))
        case "string_unicode" if not path:
            return Problem(path, "The name of an argument must not contain half a surrogate pair")
        case "missing":
            return Problem(path, f"is missing{hint}")
        case "literal_error":
            return Problem(path, "must be one of the allowed values", tuple(_QUOTED.findall(found["ctx"]["expected"])))
        case "value_error":
            wrong = found["ctx"]["error"]
            return Problem(path, str(wrong), getattr(wrong, "allowed", ()))
        case _:
            return Problem(path, str(found["msg"]).replace("Input should", "should").replace("String", "text") + hint)
