"""Parses the body of a POST as JSON, or says why it cannot be parsed. Pure.

Sources: RFC 8259 (UTF-8; a byte order mark may be ignored; a parser may limit nesting and numbers); JSON-RPC 2.0, which
answers a parse error with the id of its request where that could be detected.
"""

import json
import re
from itertools import accumulate, islice
from types import MappingProxyType
from typing import Final, TypeGuard

from mcp_types import INVALID_REQUEST, PARSE_ERROR
from pydantic_core import from_json

from shared.errors import TicketServerError

MAX_NAME: Final = 200
"""Characters of an id or a method: both are kept, logged and sent to other instances, without a limit of bytes."""
MAX_DEPTH: Final = 200
"""Nesting of lists and objects in a body; the parser's own limit is one more."""
MAX_DIGITS: Final = 4_300
"""Digits of a whole number: reading one takes time by their square. Python's own limit."""
_MARK: Final = b"\xef\xbb\xbf"
_WIDE: Final = re.compile(rb"\xff\xfe|\xfe\xff|.?\0", re.DOTALL)
_GZIP: Final = b"\x1f\x8b"
_TEXT: Final = rb'"(?:[^"\\]++|\\.)*+"'
_TEXTS: Final = re.compile(_TEXT, re.DOTALL)
_TOKEN: Final = re.compile(rb"[\[{]|[\]}]|" + _TEXT, re.DOTALL)
_ID: Final = re.compile(rb"\s*:\s*(-?[0-9]{1,%d}|%b)\s*[,}]" % (MAX_NAME, _TEXT), re.DOTALL)
_HALF: Final = re.compile("[\ud800-\udfff]")
_MAX_TOKENS: Final = 20_000
"""How far an id is looked for in a body that cannot be parsed."""
_MAX_BRACKETS: Final = 400_000
_NOT_BRACKETS: Final = bytes(sorted(set(range(256)) - set(b"[]{}")))
_STEP: Final = MappingProxyType({ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1})


class MalformedMessageError(TicketServerError):
    """The body is no JSON-RPC message; the text says what is wrong and what would be right."""

    kind = "malformed"

    def __init__(self, text: str, *, code: int = INVALID_REQUEST) -> None:
        super().__init__(text)
        self.code = code


def read(body: bytes) -> object:
    """Return the JSON value of `body`. A lone surrogate (valid JSON, not Unicode) stays in its text.

    Raises:
        MalformedMessageError: why it has none, with the id of its request where it can be read.
    """
    body = body.removeprefix(_MARK)
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        reason = str(error)
    try:
        return _read_slowly(body, reason)
    except MalformedMessageError as error:
        error.request_id = _id_in(body)
        raise


def is_id(value: object) -> TypeGuard[int | str]:
    """Tell whether `value` may be the id of a request."""
    return isinstance(value, int | str) and not isinstance(value, bool) and len(str(value)) <= MAX_NAME


def readable_id(value: object) -> str | int | None:
    """Return the id that an error can repeat: half a surrogate pair would not come back as it was."""
    if not is_id(value):
        return None
    return None if isinstance(value, str) and _HALF.search(value) else value


def _read_slowly(body: bytes, reason: str) -> object:
    """Return the value of a body that the fast parser refused for `reason`. Raises: MalformedMessageError."""
    if not body.strip():
        raise _unreadable("The body is empty. Send one JSON-RPC message.")
    if body.startswith(_GZIP):
        raise _unreadable("The body is compressed. Send it as plain JSON in UTF-8.")
    if _WIDE.match(body):
        raise _unreadable("The body is in UTF-16 or UTF-32. Send JSON in UTF-8.")
    if (depth := _depth(body)) > MAX_DEPTH:
        raise _unreadable(f"The body is nested {depth:,} deep; at most {MAX_DEPTH} are accepted.")
    try:
        return json.loads(body.decode(), parse_int=_integer, parse_constant=_constant)
    except UnicodeDecodeError:
        raise _unreadable("The body is not valid UTF-8. JSON is sent in UTF-8.") from None
    except ValueError:
        raise _unreadable(f"The body is not valid JSON: {reason}.") from None


def _unreadable(text: str) -> MalformedMessageError:
    return MalformedMessageError(text, code=PARSE_ERROR)


def _integer(text: str) -> int:
    digits = len(text.removeprefix("-"))
    if digits > MAX_DIGITS:
        raise _unreadable(f"The body holds a number of {digits:,} digits; at most {MAX_DIGITS:,} are accepted.")
    return int(text)


def _constant(name: str) -> object:
    raise _unreadable(f"The body is not valid JSON: JSON has no {name}. Send null, or leave the value out.")


def _depth(body: bytes) -> int:
    """Return how deep the brackets of JSON text are nested."""
    brackets = _TEXTS.sub(b"", body).translate(None, _NOT_BRACKETS)[:_MAX_BRACKETS]
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)


def _id_in(body: bytes) -> str | int | None:
    """Return the id of the request that `body` begins with; None if its first tokens have no id."""
    depth = 0
    for token in islice(_TOKEN.finditer(body), _MAX_TOKENS):
        depth += _STEP.get(token[0][0], 0)
        if depth == 1 and token[0] == b'"id"' and (found := _ID.match(body, token.end())):
            return _id_of(found[1])
    return None


def _id_of(text: bytes) -> str | int | None:
    try:
        return readable_id(from_json(text))
    except ValueError:
        return None
