"""How a log line looks: JSON for collectors, text for a terminal. Pure.

A line has `time`, `severity`, `logger` and `message`, may have `exception`, and any fields after these. It is one line
for every reader, and short, whatever its values are: libraries log untrusted input at its full length.
Source: Google Cloud Logging, structured logging (`severity`, `message`, `time`).
"""

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import to_json

LONGEST_TEXT: Final = 10_000
"""Characters of one value."""
_HEAD: Final = ("time", "severity", "logger", "message", "exception")
_HAS_COLOURS: Final = sys.platform != "win32"  # not every console of Windows knows them
_COLOURS: Final = {"DEBUG": "\x1b[2m", "INFO": "\x1b[32m", "WARNING": "\x1b[33m"}
_RED, _BOLD, _NAME, _END = ("\x1b[31m", "\x1b[1m", "\x1b[36m", "\x1b[0m") if _HAS_COLOURS else ("", "", "", "")


def as_json(line: Mapping[str, object]) -> bytes:
    """Return `line` as an object of JSON in ASCII; what JSON has no type for as its `repr`."""
    text = _json(line)
    return text if len(text) <= LONGEST_TEXT else _json(_shortened(line))  # a short line has no long value


def as_text(line: Mapping[str, object]) -> str:
    """Return `line` for a person at a terminal, without any control character but colours and line ends."""
    shown = _shortened(line)
    time, severity, logger, message, exception = (str(shown.pop(name, "")) for name in _HEAD)
    colour = _COLOURS.get(severity, _RED) if _HAS_COLOURS else ""
    fields = "".join(f" {_NAME}{name}{_END}={_word(value)}" for name, value in shown.items())
    text = f"{time} {colour}{severity.lower():8}{_END} {_BOLD}{_printable(message)}{_END}{fields} [{logger}]"
    return "\n".join((text, *map(_printable, exception.splitlines())))


def _json(line: Mapping[str, object]) -> bytes:
    try:
        text = to_json(line, inf_nan_mode="null", fallback=repr)
        if not text.isascii():  # the encoder is much slower when it has to see to that
            text = to_json(line, ensure_ascii=True, inf_nan_mode="null", fallback=repr)
        return text
    except ValueError:  # a lone surrogate, or bytes that are not UTF-8
        plain = {name: one if isinstance(one, str | int) else repr(one) for name, one in line.items()}
        return json.dumps(plain).encode()


def _shortened(line: Mapping[str, object]) -> dict[str, Any]:
    """Cut the middle out of values that are too long; the end of an exception says what it is."""
    half = LONGEST_TEXT // 2
    return {
        name: f"{value[:half]} … {value[-half:]}" if isinstance(value, str) and len(value) > LONGEST_TEXT else value
        for name, value in line.items()
    }


def _word(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() and value and " " not in value else repr(value)


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]
