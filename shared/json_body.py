"""Parses what came over any wire as JSON, or says why it cannot be parsed. Pure.

Needs the standard library alone: the first start reads messages while the requirements are still being installed.
Sources: RFC 8259 (UTF-8; a byte order mark may be ignored; a parser may limit nesting and numbers); JSON-RPC 2.0, which
answers a parse error with the id of its request where that could be detected.
"""

import json
import re
from collections.abc import Iterator
from itertools import accumulate, islice
from types import MappingProxyType
from typing import Final, TypeGuard

from shared.errors import TicketServerError

try:
    from pydantic_core import from_json
except ImportError:
    from_json = None  # type: ignore[assignment]

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
MAX_NAME: Final = 200
"""Characters of an id or a method: both are kept, logged and sent to other instances, without a limit of bytes."""
MAX_DEPTH: Final = 200
"""Nesting of lists and objects; the fast parser's own limit is one more."""
MAX_DIGITS: Final = 4_300
"""Digits of a whole number: reading one takes time by their square. Python's own limit."""
_MARK: Final = b"\xef\xbb\xbf"
_WIDE: Final = re.compile(rb"\xff\xfe|\xfe\xff|.?\0", re.DOTALL)
_GZIP: Final = b"\x1f\x8b"
_TEXT: Final = rb'"(?:[^"\\]++|\\.)*+"'
_TEXTS: Final = re.compile(_TEXT + rb"?", re.DOTALL)
"""Strings, the one that is cut off at the end included."""
_TOKEN: Final = re.compile(rb"[\[{]|[\]}]|" + _TEXT, re.DOTALL)
_ID: Final = re.compile(rb"\s*:\s*(-?[0-9]{1,%d}|%b)\s*[,}]" % (MAX_NAME, _TEXT), re.DOTALL)
_HALF: Final = re.compile("[\ud800-\udfff]")
_MAX_TOKENS: Final = 20_000
"""How far ids are looked for in text that cannot be parsed."""
_MAX_IDS: Final = 100
_MAX_BRACKETS: Final = 400_000
_NOT_BRACKETS: Final = bytes(sorted(set(range(256)) - set(b"[]{}")))
_STEP: Final = MappingProxyType({ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1})


class MalformedMessageError(TicketServerError):
    """What came is no JSON-RPC message; the text says what is wrong and what would be right."""

    kind = "malformed"
    further_ids: tuple[str | int, ...] = ()
    """Of other requests in the same text, which could not be told apart."""

    def __init__(self, text: str, *, code: int = INVALID_REQUEST) -> None:
        super().__init__(text)
        self.code = code


def read(body: bytes) -> object:
    """Return the JSON value of `body`. A lone surrogate (valid JSON, not Unicode) stays in its text.

    Raises:
        MalformedMessageError: why it has none, with the ids of its requests where they can be read.
    """
    body, reason = body.removeprefix(_MARK), ""
    if from_json is not None:
        try:
            return from_json(body, allow_inf_nan=False)
        except ValueError as error:
            reason = str(error)
    try:
        return _read_slowly(body, reason)
    except MalformedMessageError as error:
        error.request_id, *further = [*islice(ids_in(body), _MAX_IDS)] or [None]
        error.further_ids = tuple(one for one in further if one is not None)
        raise


def is_id(value: object) -> TypeGuard[int | str]:
    """Tell whether `value` may be the id of a request."""
    if isinstance(value, str):
        return len(value) <= MAX_NAME
    return isinstance(value, int) and not isinstance(value, bool) and len(str(value)) <= MAX_NAME


def readable_id(value: object) -> str | int | None:
    """Return the id that an error can repeat: half a surrogate pair would not come back as it was."""
    if not is_id(value):
        return None
    return None if isinstance(value, str) and _HALF.search(value) else value


def open_brackets(text: bytes) -> int:
    """Return how many brackets JSON text leaves open; negative if it closes more than it opens."""
    return sum(map(_STEP.__getitem__, _brackets(text)))


def _read_slowly(body: bytes, reason: str) -> object:
    """Return the value of a body that the fast parser refused for `reason`. Raises: MalformedMessageError."""
    if not body.strip():
        raise _unreadable("The message is empty. Send one JSON-RPC message.")
    if body.startswith(_GZIP):
        raise _unreadable("The message is compressed. Send it as plain JSON in UTF-8.")
    if _WIDE.match(body):
        raise _unreadable("The message is in UTF-16 or UTF-32. Send JSON in UTF-8.")
    if (depth := _depth(body)) > MAX_DEPTH:
        raise _unreadable(f"The message is nested {depth:,} deep; at most {MAX_DEPTH} are accepted.")
    try:
        return json.loads(body.decode(), parse_int=_integer, parse_constant=_constant)
    except UnicodeDecodeError:
        raise _unreadable("The message is not valid UTF-8. JSON is sent in UTF-8.") from None
    except ValueError as error:
        raise _unreadable(f"The message is not valid JSON: {reason or error}.") from None


def _unreadable(text: str) -> MalformedMessageError:
    return MalformedMessageError(text, code=PARSE_ERROR)


def _integer(text: str) -> int:
    digits = len(text.removeprefix("-"))
    if digits > MAX_DIGITS:
        raise _unreadable(f"The message holds a number of {digits:,} digits; at most {MAX_DIGITS:,} are accepted.")
    return int(text)


def _constant(name: str) -> object:
    raise _unreadable(f"The message is not valid JSON: JSON has no {name}. Send null, or leave the value out.")


def _depth(text: bytes) -> int:
    """Return how deep the brackets of JSON text are nested."""
    return max(accumulate(map(_STEP.__getitem__, _brackets(text)[:_MAX_BRACKETS])), default=0)


def _brackets(text: bytes) -> bytes:
    return _TEXTS.sub(b"", text).translate(None, _NOT_BRACKETS)


def ids_in(body: bytes) -> Iterator[str | int | None]:
    """Yield the ids of the requests in `body`, as far as its first tokens show them."""
    depth = 0
    for token in islice(_TOKEN.finditer(body), _MAX_TOKENS):
        depth += _STEP.get(token[0][0], 0)
        if depth == 1 and token[0] == b'"id"' and (found := _ID.match(body, token.end())):
            yield _id_of(found[1])


def _id_of(text: bytes) -> str | int | None:
    try:
        return readable_id(json.loads(text))
    except ValueError:
        return None
