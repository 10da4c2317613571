"""Reads the body of a response as JSON, in the charset that it declares. Pure.

JSON is UTF-8 (RFC 8259), but older ticket APIs send it in the charset of their database, and name that in Content-Type.
A byte order mark is ignored, and UTF-16 and UTF-32 are recognised without one. What JSON has no word for (NaN, a number
of thousands of digits, a bare line end in a text) is read, so that it costs its field and not the whole response; half
a surrogate pair becomes a question mark, because a result with it could not be sent.
Source of the wider charsets: WHATWG Encoding, in which Shift_JIS is Windows-31J.
"""

import codecs
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

from pydantic_core import from_json

from shared.errors import UpstreamFaultError
from shared.localization import localized
from shared.markdown import encodable

_CHARSET: Final = re.compile(r""";\s*charset\s*=\s*["']?([^\s;"']*)""", re.IGNORECASE)
_UNICODE: Final = re.compile(r"utf-(8|16|32)(-sig|-le|-be)?|ascii")
_NO_CHARSETS: Final = frozenset(
    {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"}
)
"""Codecs of Python that are no charset of a text."""
# fmt: off
_WIDER: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({  # what is sent under a narrower name, first fit first
    "shift_jis":  ("cp932", "shift_jis"),
    "euc_jp":     ("euc_jp", "euc_jis_2004"),
    "iso2022_jp": ("iso2022_jp", "iso2022_jp_ext"),
    "gb2312":     ("gb18030",),
})
_OTHER_NAMES: Final[Mapping[str, str]] = MappingProxyType({
    "windows-31j": "cp932", "eucjp-ms": "euc_jp", "cp51932": "euc_jp", "utf8mb4": "utf-8",
})
# fmt: on
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,40}")
_MAX_DIGITS: Final = 40
_FIVE_DIGITS: Final = re.compile(
    rb"[0-9][0-9]{4}"
)  # begins with one of several characters, which is searched for fastest
_HALF_CHARACTER: Final = re.compile(r"\\u[dD][89a-fA-F]")


class UnreadableBodyError(UpstreamFaultError):
    """The body is no JSON; the text says in a few words what it is, in English for the log, as `localized` fills it."""

    def __init__(self, template: str, **values: object) -> None:
        super().__init__(template.format(**values))
        self.shown = localized(template, **values)
        """The same for a sentence."""


def read_json(body: bytes, content_type: str = "") -> Any:
    """Return the JSON value of `body`, whose header `content-type` is given.

    Raises:
        UnreadableBodyError: it has none.
    """
    if not body.strip():
        raise UnreadableBodyError("an empty body")
    with suppress(ValueError):
        return _read_strictly(body, content_type)
    try:
        text = _text(body, content_type)
        value = _DECODER.decode(text)
        return _encodable(value) if _HALF_CHARACTER.search(text) else value
    except (json.JSONDecodeError, RecursionError):  # or nested a thousand levels deep
        raise UnreadableBodyError("a web page" if is_page(body, content_type) else "another text") from None


def _read_strictly(body: bytes, content_type: str) -> Any:
    """Return the value of UTF-8 that is strictly JSON: nearly every body, read in a third of the time.

    Raises:
        ValueError: it is not, or it may have a number of more than `_MAX_DIGITS`, which `_whole` reads.
    """
    declared = _CHARSET.search(content_type)
    if declared and declared[1].lower() != "utf-8":
        raise ValueError("another charset")
    if _FIVE_DIGITS.search(body[::8]):  # as many of every eighth byte are in each number of more than `_MAX_DIGITS`
        raise ValueError("perhaps a long number")
    return from_json(body)


def _encodable(value: Any) -> Any:
    """Return a JSON value with a question mark for each half of a surrogate pair."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, list):
        return [_encodable(one) for one in value]
    if isinstance(value, dict):
        return {encodable(name): _encodable(one) for name, one in value.items()}
    return value


def is_page(body: bytes, content_type: str) -> bool:
    """Return whether a body is a page for people: of a proxy, a login form, or a server's own for an unknown path."""
    return "html" in content_type.partition(";")[0].lower() or body.lstrip()[:1] == b"<"


def _text(body: bytes, content_type: str) -> str:
    declared = _CHARSET.search(content_type)
    name = declared[1].lower() if declared and declared[1] else "utf-8"
    charsets = _charsets(name, body)
    for charset in charsets:
        try:
            return body.decode(charset).removeprefix("\ufeff")
        except UnicodeError:
            continue
    if declared:
        raise UnreadableBodyError("not valid {charset}", charset=charsets[0])
    raise UnreadableBodyError("not valid {charset}, and no other charset is declared", charset=charsets[0])


def _charsets(name: str, body: bytes) -> tuple[str, ...]:
    """Return the charsets to try for a body that is declared as `name`."""
    plain = name.removeprefix("x-")
    try:
        known = codecs.lookup(_OTHER_NAMES.get(plain, plain)).name.replace("-", "_")
        "".encode(known)  # refuses a codec that is not for texts, such as base64
    except (LookupError, ValueError):
        known = "undefined"
    if known in _NO_CHARSETS:
        if _NAME.fullmatch(name):
            raise UnreadableBodyError("in the unknown charset {name}", name=name)
        raise UnreadableBodyError("in an unknown charset")
    if _UNICODE.fullmatch(known.replace("_", "-")):
        return (json.detect_encoding(body),)
    return _WIDER.get(known, (known,))


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


_DECODER: Final = json.JSONDecoder(strict=False, parse_int=_whole)
