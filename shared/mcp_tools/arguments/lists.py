"""Lists and objects in the arguments of a call: as such, as JSON text, or as the only item without its list."""

from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, ValidationInfo

from shared.bounds import excess
from shared.localization import localized
from shared.mcp_tools.arguments.habits import MAX_LIST_TEXT, Reading, arguments_of, from_text
from shared.mcp_tools.arguments.names import spelled_right
from shared.mcp_tools.arguments.values import WrongValueError, bare

ValueT = TypeVar("ValueT")

_LIST: Final = "must be a list"
_NAMES: Final = "must be a list of names, for example remarks"
_TICKET_IDS: Final = "must be a list of ids, for example TCK-0001"
_OBJECT: Final = "must be an object with fields and their values"
_FILE: Final = ("fileName", "fileUrl")
_FILE_OBJECT: Final = "must be an object with fileName and fileUrl"
_MAX_FILE_NAME: Final = 255


def _from_text(value: object, kind: type[list[Any] | dict[str, Any]], info: ValidationInfo, expected: str) -> object:
    """Return the list or object in JSON text, within the same bounds; else `value`."""
    if isinstance(value, str) and isinstance(info.context, Reading):
        value = from_text(value, kind, info.context, expected=expected, most=MAX_LIST_TEXT)
        if (found := excess(value)) is not None:
            raise ValueError(localized("is too large: {found}", found=found))
    return value


def _checked(value: object, kind: type[ValueT], expected: str) -> ValueT:
    if not isinstance(value, kind):
        raise ValueError(expected)
    return value


def _starts_with(value: object, bracket: str) -> bool:
    return isinstance(value, str) and value.lstrip().startswith(bracket)


def _objects(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str) and (file := _file_at(value.strip())):
        text = localized("must be a list of objects, not a URL alone")
        raise WrongValueError(text, right=[dict(zip(_FILE, file, strict=True))])
    expected = localized(_LIST)
    if _starts_with(value, "{"):
        value = _from_text(value, dict, info, expected)
    return [value] if isinstance(value, dict) else _checked(_from_text(value, list, info, expected), list, expected)


def _words(value: object, info: ValidationInfo) -> object:
    return _between_commas(value, info, localized(_NAMES))


def _ids(value: object, info: ValidationInfo) -> object:
    return _between_commas(value, info, localized(_TICKET_IDS))


def _between_commas(value: object, info: ValidationInfo, expected: str) -> object:
    if isinstance(value, str) and isinstance(info.context, Reading) and not _starts_with(value, "["):
        return [one for one in map(bare, parts_of(value.replace("、", ","))) if one]
    return _checked(_from_text(value, list, info, localized(_LIST)), list, expected)


def parts_of(text: str) -> list[str]:
    """Return what stands between commas. Raises: ValueError: it is more than a list may have."""
    return bounded(text.split(","))


def bounded(items: list[str]) -> list[str]:
    """Return `items`. Raises: ValueError: it is more than a list may have; each would be an error of its own."""
    if (found := excess(items)) is not None:
        raise ValueError(localized("is too large: {found}", found=found))
    return items


def _attachment(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str) and (file := _file_at(value.strip())):
        text = localized("must be an object with fileName and fileUrl, not a URL alone")
        raise WrongValueError(text, right=dict(zip(_FILE, file, strict=True)))
    expected = localized(_FILE_OBJECT)
    value = _checked(_from_text(value, dict, info, expected), dict, expected)
    given = spelled_right(_FILE, value)
    if given.keys() == {"fileUrl"} and (file := _file_at(str(given["fileUrl"]))):
        text = localized("must be an object with fileName and fileUrl; fileName is missing")
        raise WrongValueError(text, right=dict(zip(_FILE, file, strict=True)))
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


def object_of(model: type[BaseModel]) -> Callable[[object, ValidationInfo], object]:
    """Return a reader of an object with the fields of `model`: as such, or as JSON text."""
    fields = tuple(arguments_of(model))

    def read(value: object, info: ValidationInfo) -> object:
        value = _from_text(value, dict, info, localized(_OBJECT))
        return value if isinstance(value, model) else spelled_right(fields, _checked(value, dict, localized(_OBJECT)))

    return read


OBJECTS: Final = BeforeValidator(_objects)
"""A list of objects."""
WORDS: Final = BeforeValidator(_words)
"""A list of words; as text, with commas between them."""
IDS: Final = BeforeValidator(_ids)
"""A list of ids; as text, with commas between them."""
FILE: Final = BeforeValidator(_attachment)
"""An object with the name and the URL of a file."""
