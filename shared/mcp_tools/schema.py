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
from shared.mcp_tools.inputs import ToolInput

InputT = TypeVar("InputT", bound=ToolInput)
_QUOTED: Final = re.compile(r"'([^']*)'")


@cache  # an entry point builds one server, the tests build many
def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return a minimal JSON Schema of `model`, without titles and `null`. It is cached: do not change it."""
    schema: dict[str, Any] = _lean(model.model_json_schema())
    schema.pop("description", None)  # the tool's own description has the same text
    return schema


def _lean(node: Any, *, names: bool = False) -> Any:
    """Drop titles, null alternatives and null defaults; with `names`, the keys are field names, not schema keywords."""
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


def refuse_excess(arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that are larger than any tool can use, before they are parsed further.

    Raises:
        InvalidInputError: they exceed a bound of `shared.bounds`.
    """
    if (found := excess(arguments)) is not None:
        raise InvalidInputError(f"The arguments are too large: {found}.")


def read_arguments(model: type[InputT], arguments: Mapping[str, Any]) -> tuple[InputT | None, list[Problem]]:
    """Return the arguments as `model`, or all problems with their form."""
    try:
        return model.model_validate(dict(arguments)), []
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
    path = one_line(".".join(str(part)[:50] for part in found["loc"]))
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
            return Problem(path, str(found["ctx"]["error"]))
        case _:
            return Problem(path, str(found["msg"]).replace("Input should", "should").replace("String", "text") + hint)
