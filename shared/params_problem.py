"""What is wrong with the parameters of a protocol method, as a sentence. Pure.

The SDK answers with "Invalid request parameters" alone, which leaves the author of a client to guess. The sentence
names fields and what they must be; it repeats no value, since a value may be a secret.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, ErrorData
from pydantic import ValidationError
from pydantic_core import ErrorDetails

MAX_SHOWN: Final = 5
"""Fields that a sentence names; with the union types of some methods there would be more than help."""
_MAX_NAME: Final = 64
_TITLES: Final = ("Request", "RequestParams")
"""How the names of the SDK's models of parameters end. What a handler validates itself is no parameter."""
_MUST_BE: Final[Mapping[str, str]] = MappingProxyType({
    **dict.fromkeys(("string_type", "string_unicode"), "a string"),
    **dict.fromkeys(("int_type", "int_from_float", "int_parsing"), "an integer"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("dict_type", "model_type", "mapping_type", "model_attributes_type"), "an object"),
    "list_type": "a list",
})  # fmt: skip
_MISSING: Final = ""
_NOT_INITIALIZED: Final = ErrorData(code=INVALID_PARAMS, message="Invalid request parameters", data="")
"""What the SDK raises itself, and only for a session that is not initialized; for others it raises why."""


def params_problem(error: Exception, params: Mapping[str, Any] | None) -> ErrorData | None:
    """Return the error for a request whose parameters the SDK refused; None when `error` is not about them.

    Args:
        error: what the SDK raised.
        params: as they came.
    """
    if isinstance(error, MCPError) and error.error == _NOT_INITIALIZED:
        return _problem("the session is not initialized. Send initialize first, then notifications/initialized")
    if not isinstance(error, ValidationError) or not error.title.endswith(_TITLES):
        return None
    wanted: dict[str, list[str]] = {}
    for one in error.errors(include_url=False, include_input=False):
        of_field = wanted.setdefault(_path(one, params), [])
        if (must_be := _must_be(one)) not in of_field:
            of_field.append(must_be)
    problems = [
        f"{path} is missing" if must_be == [_MISSING] else f"{path} must be {' or '.join(must_be)}"
        for path, must_be in wanted.items()
    ]
    more = "; and more" if len(problems) > MAX_SHOWN else ""
    return _problem("; ".join(problems[:MAX_SHOWN]) + more)


def _problem(text: str) -> ErrorData:
    return _NOT_INITIALIZED.model_copy(update={"message": f"{_NOT_INITIALIZED.message}: {text}."})


def _path(one: ErrorDetails, params: Mapping[str, Any] | None) -> str:
    """Return where in the parameters a field is: the names in its place, without those of types that were tried."""
    place: Sequence[str | int] = one["loc"][1:] if one["loc"][:1] == ("params",) else one["loc"]
    path, value = ["params"], params
    for step in place:
        inside = _inside(value, step)
        is_missing = one["type"] == "missing" and step == place[-1]
        if inside is not None or is_missing:
            path.append(str(step)[:_MAX_NAME])
            value = inside[0] if inside else None
    return ".".join(path)


def _inside(value: Any, step: str | int) -> tuple[Any] | None:
    try:
        return (value[step],)
    except (LookupError, TypeError):
        return None


def _must_be(one: ErrorDetails) -> str:
    match one["type"]:
        case "missing":
            return _MISSING
        case "literal_error" | "enum":
            return str(one["ctx"]["expected"])
        case kind:
            return _MUST_BE.get(kind, "valid")
