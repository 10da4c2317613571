"""Structured logs on stderr.

Each log entry is one line of JSON (or readable text on a terminal) with a constant `message` and varying fields: ids
and numbers, never bodies, keys or tokens. Lines are written at once, so none is lost when the process ends; who reads
stderr too slowly slows the server.
"""

import inspect
import logging
import os
import re
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO, Final, Self, TextIO

from shared import log_lines
from shared.stack_traces import stack_trace
from shared.trace_context import SAMPLED, SPAN, TRACE, TraceContext

LABELS: Final = "logging.googleapis.com/labels"
"""What Google Cloud Logging indexes: the organisation, and whether it is an audit event."""
LOCATION: Final = "logging.googleapis.com/sourceLocation"
ERROR_EVENT: Final = "type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent"
_QUIET: Final = frozenset({"DEBUG", "INFO"})
_WARNING: Final = "WARNING"
_USERINFO: Final = re.compile(r"(?<=://)[^/?#\s]*@")
"""A name and a password in an address."""

_context: ContextVar["LogContext | None"] = ContextVar("log_context", default=None)


class LogContext:
    """Fields of every log line that is written while inside, also by tasks that are started there.

    Those of the context around it come first.
    """

    __slots__ = ("_token", "fields")

    def __init__(self, **fields: object) -> None:
        self.fields: dict[str, object] = fields
        """May be added to for the lines that follow."""

    def __enter__(self) -> Self:
        outer = _context.get()
        if outer is not None:
            self.fields = {**outer.fields, **self.fields}
        self._token = _context.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _context.reset(self._token)


def add_fields(fields: Mapping[str, object]) -> bool:
    """Add fields to the lines that follow in the current `LogContext`; False when there is none, as over STDIO."""
    context = _context.get()
    if context is None:
        return False
    context.fields.update(fields)
    return True


def current_trace() -> TraceContext | None:
    """Return the place in a trace of what runs now, if it belongs to a request."""
    context = _context.get()
    if context is None or TRACE not in context.fields:
        return None
    fields = context.fields
    return TraceContext(str(fields[TRACE]), str(fields.get(SPAN, "")), bool(fields.get(SAMPLED)))


class LogOutput:
    """Where the lines of this process go: until `configure_logging`, warnings to stderr for a person."""

    def __init__(self) -> None:
        self.level = logging.WARNING
        self.service: Mapping[str, str] | None = None
        """The `service` and `version` that Error Reporting shows errors of."""
        self._has_colours = False
        self._stream: TextIO | None = None
        self._raw: BinaryIO | None = None
        """Takes lines of JSON, past the layers of the stream: a line is whole, in ASCII, and written at once."""

    def configure(self, level: int, stream: TextIO) -> None:
        """Write lines from `level` up to `stream`: text on a terminal, JSON elsewhere."""
        self.level, self._stream = level, stream
        self._has_colours = not os.environ.get("NO_COLOR") and sys.platform != "win32"  # not all its consoles know them
        self._raw = None if stream.isatty() else getattr(stream.buffer, "raw", stream.buffer)

    def write(self, line: Mapping[str, object]) -> None:
        """Write one line. What cannot be written is given up: nothing fails because nobody reads its log."""
        try:
            if self._raw is None:
                stream = self._stream or sys.stderr
                stream.write(f"{log_lines.as_text(line, has_colours=self._has_colours)}\n")
                stream.flush()
            else:
                rest = log_lines.as_json(line) + b"\n"
                while rest and (taken := self._raw.write(rest)):  # a signal may interrupt a write in between
                    rest = rest[taken:]
        except (OSError, ValueError):  # closed, or a disk is full
            pass


_output = LogOutput()


@lru_cache(maxsize=1)  # many lines are of one second, and a date costs as much as the rest of a line
def _second(since_1970: str) -> str:
    return datetime.fromtimestamp(int(since_1970), UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _now() -> str:
    nanoseconds = str(time.time_ns())
    return f"{_second(nanoseconds[:-9])}.{nanoseconds[-9:-3]}Z"


def _write(
    severity: str,
    logger: str,
    message: str,
    fields: Mapping[str, object],
    *,
    error: object = None,
    where: tuple[str, int, str] | None = None,
) -> None:
    """Write a line with the fields of its context.

    Args:
        severity: as Google Cloud names it.
        logger: the module that writes it.
        message: what happened.
        fields: those of the line.
        error: an exception, or True for the one that is handled.
        where: file, line and function that write it; by default the ones that called this module.
    """
    context = _context.get()
    around = fields if context is None else context.fields
    line = {"time": _now(), "severity": severity, "logger": logger, "message": message, **around, **fields}
    if severity not in _QUIET:
        line |= _for_operators(severity, sys.exception() if error is True else error, where or _caller())
    _output.write(line)


def _for_operators(severity: str, error: object, where: tuple[str, int, str]) -> dict[str, object]:
    """Return where a warning comes from, and what makes Error Reporting group an error by it or by its stack trace."""
    file, number, function = where
    added: dict[str, object] = {LOCATION: {"file": file, "line": str(number), "function": function}}
    if isinstance(error, BaseException):
        added["exception"] = without_passwords(stack_trace(error))
    if severity != _WARNING and _output.service is not None:
        added |= {"@type": ERROR_EVENT, "serviceContext": _output.service}
        if "exception" not in added:
            place = {"filePath": file, "lineNumber": number, "functionName": function}
            added["context"] = {"reportLocation": place}
    return added


def _caller() -> tuple[str, int, str]:
    """Return the file, line and function that called this module."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return ("", 0, "") if frame is None else (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)


def without_passwords(text: str) -> str:
    """Return `text` without what addresses in it have before their host."""
    return _USERINFO.sub("…@", text) if "@" in text else text


class Logger:
    """Writes the lines of one module. Each has a constant message, and ids, numbers and fixed words as fields."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def informs(self) -> bool:
        """Whether `info` writes lines."""
        return _output.level <= logging.INFO

    def debug(self, message: str, /, **fields: object) -> None:
        """Write what helps to understand the code."""
        if _output.level <= logging.DEBUG:
            _write("DEBUG", self._name, message, fields)

    def info(self, message: str, /, **fields: object) -> None:
        """Write what happens when all is well."""
        if _output.level <= logging.INFO:
            _write("INFO", self._name, message, fields)

    def warning(self, message: str, /, *, exc_info: object = None, **fields: object) -> None:
        """Write what an operator should look at; with `exc_info`, the stack trace of that or the current exception."""
        if _output.level <= logging.WARNING:
            _write("WARNING", self._name, message, fields, error=exc_info)

    def error(self, message: str, /, *, exc_info: object = None, **fields: object) -> None:
        """Write what failed; `exc_info` as for `warning`."""
        if _output.level <= logging.ERROR:
            _write("ERROR", self._name, message, fields, error=exc_info)

    def exception(self, message: str, /, **fields: object) -> None:
        """Write what failed, with the stack trace of the exception that is handled."""
        self.error(message, exc_info=True, **fields)


def get_logger(name: str) -> Logger:
    """Return the logger of module `name`."""
    return Logger(name)


class _LibraryHandler(logging.Handler):
    """Writes what libraries log as lines like ours, from INFO up: at DEBUG they log headers, bodies and SQL values."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno <= logging.DEBUG:
            return
        try:
            error = record.exc_info[1] if record.exc_info else None
            where = record.pathname, record.lineno, record.funcName or ""
            message = without_passwords(record.getMessage())
            _write(record.levelname, record.name, message, {}, error=error, where=where)
        except Exception:  # noqa: BLE001 - a library's mistake in a log call must not reach its caller
            self.handleError(record)


def configure_logging(
    *, level: str = "INFO", stream: TextIO | None = None, service: Mapping[str, str] | None = None
) -> None:
    """Send this program's and the libraries' logs to `stream` (default stderr), one line each, from `level` up.

    Call it before an `MCPServer()` is created, which calls `logging.basicConfig`; that then has no effect. Logs are
    readable text on a terminal (coloured, unless `NO_COLOR` is set), JSON elsewhere. With the `service` and `version`
    of this program, errors have the fields of Error Reporting.
    """
    number = logging.getLevelNamesMapping()[level]
    _output.configure(number, stream if stream is not None else sys.stderr)
    _output.service = service
    root = logging.getLogger()
    root.handlers[:] = [_LibraryHandler()]
    root.setLevel(number)
    for name in ("alembic", "httpx2"):  # alembic logs its routine, httpx2 whole URLs
        logging.getLogger(name).setLevel(max(logging.WARNING, number))
