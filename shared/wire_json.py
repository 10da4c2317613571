"""JSON as it leaves on every wire and on STDIO: one line for every reader, one value for every parser. Pure.

U+0085, U+2028 and U+2029 are valid inside JSON text, but line readers exist that end a line there: `str.splitlines`
(httpx-sse before 0.4.2), Node's `readline`. Escaped, they are the same value. JSON escapes all other line ends itself.
A lone surrogate, NaN and infinities have no value that all parsers agree on, so they are replaced.
Source: RFC 8259, sections 6, 7 and 8; Unicode 16, section 5.8.
"""

import json
import re
from hashlib import sha256
from typing import Any, Final

from pydantic_core import to_json

_SEPARATOR: Final = re.compile(rb"\xe2\x80[\xa8\xa9]")
"""U+2028 or U+2029 in UTF-8."""


def encode(value: object) -> bytes:
    """Return `value` as one line of JSON in UTF-8, for any reader and parser.

    NaN and infinities become null, lone surrogates a question mark, and what JSON has no type for its text: a response
    must not be lost here.
    """
    try:
        text = to_json(value, inf_nan_mode="null")
    except ValueError:
        text = to_json(_representable(value), inf_nan_mode="null")
    # A search for one byte takes a hundredth of a search for two, and most texts in Japanese have neither. As a number
    # it is found at once; of bytes, Python first finds out that they are no number.
    if 0xE2 in text:
        text = _SEPARATOR.sub(lambda found: b"\\u2028" if found[0].endswith(b"\xa8") else b"\\u2029", text)
    if 0xC2 in text:
        text = text.replace(b"\xc2\x85", b"\\u0085")
    return text


def digest(value: object) -> bytes:
    """Return what only the same JSON has, however it was spaced; texts of it may hold half a surrogate pair."""
    try:
        text = to_json(value)
    except ValueError:
        text = json.dumps(value).encode()
    return sha256(text).digest()


def _representable(value: object) -> Any:
    return json.loads(json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace"))
