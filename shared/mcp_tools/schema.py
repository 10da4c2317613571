"""Between a call's JSON and its input model: the published schema, and validation that reports all problems at once."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from shared.bounds import excess
from shared.errors import InvalidInputError, Problem
from shared.localization import Language, current_language, localized
from shared.markdown import one_line
from shared.mcp_tools.arguments.habits import Reading, a_text, arguments_of, free_text, named, takes_list
from shared.mcp_tools.arguments.names import misnamed
from shared.mcp_tools.arguments.values import WrongValueError
from shared.mcp_tools.inputs import ToolInput

InputT = TypeVar("InputT", bound=ToolInput)
_TOO_LONG: Final = ("must have at most {most:,} characters", "must have at most {most:,} items")
"""Of a text, and of a list."""
_ANOTHER_VALUE: Final = "must be another value"
_MUST_BE: Final[Mapping[str, str]] = MappingProxyType({
    **dict.fromkeys(("string_type", "string_unicode"), "must be text"),
    **dict.fromkeys(("model_type", "dict_type"), "must be an object"),
    "list_type": "must be a list",
})  # fmt: skip
"""What an argument must be, for the kinds of errors that no reader of a value answers."""
_TOOL: Final = re.compile(r"\bget_\w+")
_EXAMPLE: Final = re.compile(r"[+-]3d|YYYY-MM-DD")
_HAS_HELP: Final = re.compile("for example|at most|too large| to |例: |以内|大きすぎ|から.*まで")


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
        raise InvalidInputError(localized("The arguments are too large: {found}.", found=found))


def read_arguments(
    model: type[InputT], arguments: Mapping[str, Any], reading: Reading
) -> tuple[InputT | None, list[Problem]]:
    """Return the arguments as `model`, or all problems with their form."""
    if not arguments and (missing := _missing(model, current_language())):
        return None, list(missing)
    try:
        return model.read(arguments, reading), []
    except ValidationError as error:
        found = error.errors(include_url=False)
    absent = {_shown(one["loc"]) for one in found if one["type"] == "missing"}
    problems = [_problem(model, dict(one), absent, arguments) for one in found]
    given = {_beside(problem.field, name) for problem in problems for name in problem.right or ()}
    return None, [one for one in problems if one.field not in absent & given]


@cache  # as many as there are tools and languages
def _missing(model: type[ToolInput], language: Language) -> tuple[Problem, ...]:  # noqa: ARG001 - a key
    """Return the problems of a call without any arguments: the most usual ones, and pydantic takes long over them."""
    required = ((name, field) for name, field in arguments_of(model).items() if field.is_required())
    return tuple(_is_missing(name, _hint(field)) for name, field in required)


def _is_missing(path: str, hint: str) -> Problem:
    return Problem(path, localized("is missing{hint}", hint=hint))


def under_right_names(model: type[ToolInput], arguments: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Problem]]:
    """Return the arguments that `model` has, also those given by another word, and a problem for each wrong name.

    All names are listed only with the first one that is unknown; a caller needs them once.
    """
    fields = arguments_of(model)
    if arguments.keys() <= fields.keys():
        return arguments, []
    known = {name: value for name, value in arguments.items() if name in fields}
    problems: list[Problem] = []
    for name, value in arguments.items():
        if name not in fields:
            problem = misnamed(_shown([name]), name, value, tuple(fields), known)
            known.update(problem.right or {})
            is_listed = any(one.allowed for one in problems)
            problems.append(problem._replace(allowed=()) if is_listed else problem)
    return known, problems


def _shown(place: Iterable[str | int]) -> str:
    return one_line(".".join(named(str(part)[:50]) for part in place))


def _beside(field: str, name: str) -> str:
    return ".".join([*field.split(".")[:-1], name])


def _problem(
    model: type[ToolInput], found: Mapping[str, Any], absent: Collection[str], arguments: Mapping[str, Any]
) -> Problem:
    """Describe a problem without repeating the value, which may be long or confidential."""
    place = found["loc"][:1] if {*found["loc"][:1]} & model.one_or_more else found["loc"]
    path = _shown(place)
    fields = arguments_of(model)
    hint = _hint(fields[path]) if path in fields else ""
    match found["type"]:
        case "extra_forbidden":
            names = _names_beside(model, found["loc"])
            there = _object_at(arguments, found["loc"][:-1])
            given = [name for name in names if (_beside(path, name) not in absent if there is None else name in there)]
            return misnamed(path, str(found["loc"][-1]), found["input"], names, given)
        case "string_unicode" if not path:
            return Problem(path, localized("The name of an argument must not contain half a surrogate pair"))
        case "missing":
            return _is_missing(path, hint)
        case "value_error":
            return _wrong_value(path, found, hint)
        case "string_too_long" | "too_long":
            is_list = isinstance(found["input"], list) or _takes_list(model, found["loc"])
            return Problem(path, localized(_TOO_LONG[is_list], most=found["ctx"]["max_length"]))
        case kind:
            text = localized(_MUST_BE[kind]) if kind in _MUST_BE else localized(_ANOTHER_VALUE)
            return Problem(path, f"{text}{hint}")


def _object_at(arguments: Mapping[str, Any], place: Sequence[str | int]) -> Mapping[str, Any] | None:
    """Return the object at `place` in the arguments, if it came as such and not as text."""
    found: Any = arguments
    try:
        for step in place:
            found = found[step]
    except (LookupError, TypeError):
        return None
    return found if isinstance(found, Mapping) else None


def _hint(field: FieldInfo) -> str:
    """Return what helps to choose a value, for the end of a sentence."""
    described = _described(field.description or "")
    if not field.is_required():
        return described + localized("; or leave it out")
    has_example = described or not free_text([*field.metadata, field.annotation])
    return described if has_example else localized(", for example {example}", example=a_text())


def _described(description: str) -> str:
    """Return the description of an argument, which is in English alone; elsewhere the tool or example that it names."""
    if not description or current_language() == "en":
        return localized(" ({words})", words=description.rstrip(".")) if description else ""
    if tool := _TOOL.search(description):
        return localized(" (see {tool})", tool=tool[0])
    example = _EXAMPLE.search(description)
    return localized(", for example {example}", example=example[0]) if example else ""


def _names_beside(model: type[BaseModel], place: Sequence[str | int]) -> tuple[str, ...]:
    """Return the names of the object that holds the last step of `place`."""
    fields = arguments_of(model)
    inner = _model_in(fields[str(place[0])].annotation) if len(place) > 1 else None
    return tuple(fields) if inner is None else _names_beside(inner, place[-1:])


def _takes_list(model: type[BaseModel], place: Sequence[str | int]) -> bool:
    """Whether the argument at `place` is a list, which may have come as text."""
    if isinstance(place[-1], int):
        return False
    if len(place) > 1:
        inner = _model_in(arguments_of(model)[str(place[0])].annotation)
        return inner is not None and _takes_list(inner, place[-1:])
    field = arguments_of(model).get(str(place[0]))
    return field is not None and takes_list(field.annotation)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _model_in(one)) is not None), None)


def _wrong_value(path: str, found: Mapping[str, Any], hint: str) -> Problem:
    error = found["ctx"]["error"]
    if not isinstance(error, WrongValueError) or error.right is None:
        allowed = getattr(error, "allowed", ())
        has_help = allowed or _HAS_HELP.search(str(error))
        return Problem(path, str(error) if has_help else f"{error}{hint}", allowed)
    last = path.rpartition(".")[2]
    right = error.right if not path and isinstance(error.right, Mapping) else {last: error.right}
    if path and isinstance(error.right, Mapping) and isinstance(found["input"], dict):  # of an object in the arguments
        right = {last: found["input"] | dict(error.right)}
    return Problem(path, str(error), error.allowed, right=right)
