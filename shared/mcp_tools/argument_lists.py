"""Lists and objects in the arguments of a call: as such, as JSON text, or as the only item without its list."""

from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, ValidationInfo

from shared.bounds import excess
from shared.mcp_tools.argument_habits import MAX_LIST_TEXT, Reading, from_text
from shared.mcp_tools.argument_names import spelled_right
from shared.mcp_tools.argument_values import WrongValueError, bare

ValueT = TypeVar("ValueT")

_LIST: Final = "must be a list"
_NAMES: Final = f"{_LIST} of names, for example remarks"
_FILE: Final = ("fileName", "fileUrl")
_FILE_OBJECT: Final = f"must be an object with {' and '.join(_FILE)}"
_MAX_FILE_NAME: Final = 255


def _from_text(value: object, kind: type[list[Any] | dict[str, Any]], info: ValidationInfo, expected: str) -> object:
    """Return the list or object in JSON text, within the same bounds; else `value`."""
    if isinstance(value, str) and isinstance(info.context, Reading):
        value = from_text(value, kind, info.context, expected=expected, most=MAX_LIST_TEXT)
        if (found := excess(value)) is not None:
            raise ValueError(f"is too large: {found}")
    return value


def _checked(value: object, kind: type[ValueT], expected: str) -> ValueT:
    if not isinstance(value, kind):
        raise ValueError(expected)
    return value


def _starts_with(value: object, bracket: str) -> bool:
    return isinstance(value, str) and value.lstrip().startswith(bracket)


def _objects(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str) and (file := _file_at(value.strip())):
        raise WrongValueError(f"{_LIST} of objects, not a URL alone", right=[dict(zip(_FILE, file, strict=True))])
    if _starts_with(value, "{"):
        value = _from_text(value, dict, info, _LIST)
    return [value] if isinstance(value, dict) else _checked(_from_text(value, list, info, _LIST), list, _LIST)


def _words(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str) and isinstance(info.context, Reading) and not _starts_with(value, "["):
        return [one for one in (bare(part) for part in value.replace("、", ",").split(",")) if one]
    return _checked(_from_text(value, list, info, _LIST), list, _NAMES)


def _attachment(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str) and (file := _file_at(value.strip())):
        raise WrongValueError(f"{_FILE_OBJECT}, not a URL alone", right=dict(zip(_FILE, file, strict=True)))
    value = _checked(_from_text(value, dict, info, _FILE_OBJECT), dict, _FILE_OBJECT)
    given = spelled_right(_FILE, value)
    if given.keys() == {"fileUrl"} and (file := _file_at(str(given["fileUrl"]))):
        raise WrongValueError(f"{_FILE_OBJECT}; fileName is missing", right=dict(zip(_FILE, file, strict=True)))
    return given


def _file_at(url: str) -> tuple[str, str] | None:
    """Return the name of the file that a URL ends with, and the URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    name = unquote(parts.path.rpartition("/")[2])
    is_file = parts.scheme in {"http", "https"} and bool(parts.netloc) and 0 < len(name) <= _MAX_FILE_NAME
    return (name, url) if is_file else None


OBJECTS: Final = BeforeValidator(_objects)
"""A list of objects."""
WORDS: Final = BeforeValidator(_words)
"""A list of words; as text, with commas between them."""
FILE: Final = BeforeValidator(_attachment)
"""An object with the name and the URL of a file."""
