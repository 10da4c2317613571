"""How a log line looks: JSON for collectors, text for a terminal. Pure.

A line has `time`, `severity`, `logger` and `message`, may have `exception`, and any fields after these. It is one line
for every reader, and short, whatever its values are: libraries log untrusted input at its full length.
Source: Google Cloud Logging, structured logging (`severity`, `message`, `time`) and quotas (256 KiB for an entry).
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import to_json

LONGEST_TEXT: Final = 10_000
"""Characters of one value."""
LONGEST_LINE: Final = 200_000
"""Bytes of one line; the rest of what Cloud Logging takes as one entry is for what it adds."""
_HEAD: Final = ("time", "severity", "logger", "message", "exception")
_DIM, _RED, _BOLD, _NAME, _END = "\x1b[2m", "\x1b[31m", "\x1b[1m", "\x1b[36m", "\x1b[0m"
_COLOURS: Final = {"DEBUG": _DIM, "INFO": "\x1b[32m", "WARNING": "\x1b[33m"}
_OF_GOOGLE: Final = "logging.googleapis.com/"
_FOR_COLLECTORS: Final = frozenset({"@type", "serviceContext", "context"})
"""Fields that say nothing to a person; so do those of Google but for the trace and the source."""
_SHOWN_OF_TRACE: Final = 8


def as_json(line: Mapping[str, object]) -> bytes:
    """Return `line` as an object of JSON in ASCII; what JSON has no type for as its `repr`."""
    text = _json(line)
    if len(text) <= LONGEST_TEXT:  # a short line has no long value
        return text
    text = _json(_shortened(line, LONGEST_TEXT))
    if len(text) <= LONGEST_LINE:
        return text
    text = _json(_shortened(line, LONGEST_TEXT // 20))
    if len(text) <= LONGEST_LINE:
        return text
    head = {name: str(line.get(name, "")) for name in _HEAD}  # so many fields, or so large ones, that none is known
    return _json({**_shortened(head, LONGEST_TEXT // 20), "fields_left_out": len(line.keys() - {*_HEAD})})


def as_text(line: Mapping[str, object], *, has_colours: bool = True) -> str:
    """Return `line` for a person at a terminal, without any control character but colours and line ends."""
    shown = _shortened(line, LONGEST_TEXT)
    time, severity, logger, message, exception = (str(shown.pop(name, "")) for name in _HEAD)
    trace, source = shown.get(f"{_OF_GOOGLE}trace"), shown.get(f"{_OF_GOOGLE}sourceLocation")
    shown = {name: one for name, one in shown.items() if not (name in _FOR_COLLECTORS or name.startswith(_OF_GOOGLE))}
    if isinstance(trace, str):
        shown["trace"] = trace[:_SHOWN_OF_TRACE]
    where = f"{source['file']}:{source['line']}" if isinstance(source, Mapping) else logger
    dim, bold, name_colour, end = (_DIM, _BOLD, _NAME, _END) if has_colours else ("", "", "", "")
    colour = _COLOURS.get(severity, _RED) if has_colours else ""
    fields = "".join(f" {name_colour}{_printable(name)}{end}={_word(value)}" for name, value in shown.items())
    when, what, where = (_printable(text) for text in (time, message, where))
    text = f"{dim}{when}{end} {colour}{severity.lower():8}{end} {bold}{what}{end}{fields} {dim}[{where}]{end}"
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


def _shortened(line: Mapping[str, object], longest: int) -> dict[str, Any]:
    """Cut the middle out of values that are too long; the end of an exception says what it is."""
    half = longest // 2
    return {
        name: f"{value[:half]} … {value[-half:]}" if isinstance(value, str) and len(value) > longest else value
        for name, value in line.items()
    }


def _word(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() and value and " " not in value else repr(value)


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]
