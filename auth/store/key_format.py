"""The format of an API key: `tkt_live_<public id>_<secret><checksum>`, all ASCII letters and digits. Pure.

The prefix lets secret scanners recognise a leaked key; the public id (8 characters) finds the key and may be shown; the
secret (43 characters, 256 bits) proves it; the checksum (6 characters) detects typos without a lookup in the store.
Source: the format of GitHub's tokens (CRC-32 in base 62).
"""

import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from typing import Final

PREFIX: Final = "tkt_"
"""The prefix of every key of the store, and of no other credential."""
ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_KIND: Final = f"{PREFIX}live_"
_PUBLIC: Final = 8
_SECRET: Final = 43
_CHECKSUM: Final = 6
_FORM: Final = re.compile(
    rf"{_KIND}([0-9A-Za-z]{{{_PUBLIC}}})_([0-9A-Za-z]{{{_SECRET}}})([0-9A-Za-z]{{{_CHECKSUM}}})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A parsed key."""

    public_id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """The whole key, as its holder sends it; shown once, stored nowhere."""
        body = f"{_KIND}{self.public_id}_{self.secret}"
        return body + _checksum(body)


def new_key() -> ApiKey:
    """Return a new random key."""
    return ApiKey(public_id=_random(_PUBLIC), secret=_random(_SECRET))


def parse(text: str) -> ApiKey | None:
    """Return the parsed key, or None if its format or its checksum is wrong."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    public_id, secret, checksum = found.groups()
    if checksum != _checksum(text[:-_CHECKSUM]):
        return None
    return ApiKey(public_id=public_id, secret=secret)


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
