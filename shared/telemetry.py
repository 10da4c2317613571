"""Structured logs on stderr, and the seam for counters.

Each log entry is one line of JSON (or readable text on a terminal) with a constant `message` and varying fields: ids
and numbers, never bodies, keys or tokens. Lines are written at once, so none is lost when the process ends; who reads
stderr too slowly slows the server. Counters go to the `Counter` of the entry point; nothing is counted twice.
"""

import logging
import re
import sys
import time
import traceback
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO, Final, NamedTuple, Protocol, Self, TextIO

from shared import log_lines

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_CLOUD_TRACE: Final = re.compile(r"([0-9a-f]{32})(?:/([0-9]{0,20}).*)?", re.IGNORECASE)
_NO_TRACE: Final = "0" * 32
OTHER: Final = "other"
"""The label value of every name that is not told apart."""
MAX_TENANTS: Final = 100
"""Tenants that counters tell apart."""


BOUNDS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of durations, in seconds; one more bucket has what took longer."""


class Histogram:
    """How long something took, by label values. An observation costs a third of a microsecond.

    The caller must bound the values of its labels; as a safeguard, series beyond `MAX_SERIES` are put together into
    one whose values are all `other`.
    """

    MAX_SERIES = 2_000

    __slots__ = ("_series",)

    def __init__(self) -> None:
        self._series: dict[tuple[object, ...], list[float]] = {}

    def observe(self, seconds: float, *values: object) -> None:
        """Add one duration to the series with these label values, in the order in which the metric declares them."""
        try:
            series = self._series[values]
        except KeyError:
            series = self._first_of(values)
        series[bisect_left(BOUNDS_S, seconds)] += 1
        series[-1] += seconds

    def _first_of(self, values: tuple[object, ...]) -> list[float]:
        if len(self._series) >= self.MAX_SERIES:
            values = (OTHER,) * len(values)
        return self._series.setdefault(values, [0] * (len(BOUNDS_S) + 1) + [0.0])

    @property
    def series(self) -> dict[tuple[str, ...], tuple[list[int], float]]:
        """By label values: how many durations each bucket has, and their sum in seconds."""
        series = list(self._series.items())  # at once, since another thread may observe meanwhile
        return {tuple(map(str, values)): (list(map(int, one[:-1])), one[-1]) for values, one in series}

    def count(self, *values: str | None) -> int:
        """Return how many durations there are with these label values; None stands for any value."""
        return sum(
            sum(buckets)
            for known, (buckets, _) in self.series.items()
            if all(wanted in {None, value} for wanted, value in zip(values, known, strict=True))
        )


class LabelledCounter:
    """One counter whose label values come in a fixed order: for what is counted with every call."""

    __slots__ = ("_counts", "_limit", "_series")

    def __init__(self, counts: dict[tuple[str, ...], int], series: tuple[str, ...], limit: int) -> None:
        self._counts = counts
        self._series = series
        self._limit = limit

    def add(self, *values: str) -> None:
        """Add one to the series with these label values."""
        series = self._series + values
        try:
            self._counts[series] += 1
        except KeyError:
            counted = series if len(self._counts) < self._limit else self._series[:1]
            self._counts[counted] = self._counts.get(counted, 0) + 1


class Counter(Protocol):
    """Counts events and durations. Label values must come from a bounded set."""

    def count(self, name: str, **labels: str) -> None:
        """Add one to `name` with these labels."""
        ...

    def labelled(self, name: str, *labels: str) -> LabelledCounter:
        """Return the counter `name` with these labels."""
        ...

    def histogram(self, name: str) -> Histogram:
        """Return the histogram `name`, always the same one."""
        ...


class BoundedLabels:
    """Makes names that clients choose into label values: the first `max_names` as they are, any other as `other`."""

    def __init__(self, max_names: int) -> None:
        self._max_names = max_names
        self._known: set[str] = set()

    def label(self, name: str) -> str:
        """Return `name`, or `other`."""
        if name in self._known:
            return name
        if len(self._known) >= self._max_names:
            return OTHER
        self._known.add(name)
        return name


class TallyCounter:
    """Counts in memory, for `GET /metrics` and for tests.

    Callers must bound their label values; as a safeguard, series beyond `MAX_SERIES` are counted without labels.
    """

    MAX_SERIES = 10_000

    def __init__(self) -> None:
        self._counts: dict[tuple[str, ...], int] = {}
        """By name, the names of the labels and their values, as they were written."""
        self.histograms: dict[str, Histogram] = {}
        """By name."""

    def count(self, name: str, **labels: str) -> None:
        """Add one to `name` with these labels."""
        self.labelled(name, *labels).add(*labels.values())

    def labelled(self, name: str, *labels: str) -> LabelledCounter:
        """Return the counter `name` with these labels."""
        return LabelledCounter(self._counts, (name, *labels), self.MAX_SERIES)

    def histogram(self, name: str) -> Histogram:
        """Return the histogram `name`, always the same one."""
        return self.histograms.setdefault(name, Histogram())

    @property
    def tally(self) -> Tally[tuple[str, tuple[tuple[str, str], ...]]]:
        """The counts by name and sorted labels."""
        tally: Tally[tuple[str, tuple[tuple[str, str], ...]]] = Tally()
        for (name, *labels), count in list(self._counts.items()):  # another thread may count meanwhile
            half = len(labels) // 2
            tally[name, tuple(sorted(zip(labels[:half], labels[half:], strict=True)))] += count
        return tally

    def total(self, name: str, **labels: str) -> int:
        """Return the count of `name` over all series with at least these labels."""
        wanted = set(labels.items())
        return sum(
            n for (counted, with_labels), n in self.tally.items() if counted == name and wanted <= {*with_labels}
        )


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


class LogOutput:
    """Where the lines of this process go: until `configure_logging`, warnings to stderr for a person."""

    def __init__(self) -> None:
        self.level = logging.WARNING
        self._stream: TextIO | None = None
        self._raw: BinaryIO | None = None
        """Takes lines of JSON, past the layers of the stream: a line is whole, in ASCII, and written at once."""

    def configure(self, level: int, stream: TextIO) -> None:
        """Write lines from `level` up to `stream`: text on a terminal, JSON elsewhere."""
        self.level, self._stream = level, stream
        self._raw = None if stream.isatty() else getattr(stream.buffer, "raw", stream.buffer)

    def write(self, line: Mapping[str, object]) -> None:
        """Write one line. What cannot be written is given up: nothing fails because nobody reads its log."""
        try:
            if self._raw is None:
                stream = self._stream or sys.stderr
                stream.write(f"{log_lines.as_text(line)}\n")
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


def _write(severity: str, logger: str, message: str, fields: dict[str, object], error: object = None) -> None:
    """Write a line with the fields of its context; `error` is an exception, or True for the one that is handled."""
    context = _context.get()
    around = fields if context is None else context.fields
    line = {"time": _now(), "severity": severity, "logger": logger, "message": message, **around, **fields}
    if error is True:
        error = sys.exception()
    if isinstance(error, BaseException):
        line["exception"] = "".join(traceback.format_exception(error)).rstrip()
    _output.write(line)


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
            _write("WARNING", self._name, message, fields, exc_info)

    def error(self, message: str, /, *, exc_info: object = None, **fields: object) -> None:
        """Write what failed; `exc_info` as for `warning`."""
        if _output.level <= logging.ERROR:
            _write("ERROR", self._name, message, fields, exc_info)

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
            _write(record.levelname, record.name, record.getMessage(), {}, error)
        except Exception:  # noqa: BLE001 - a library's mistake in a log call must not reach its caller
            self.handleError(record)


def configure_logging(*, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send this program's and the libraries' logs to `stream` (default stderr), one line each, from `level` up.

    Call it before an `MCPServer()` is created, which calls `logging.basicConfig`; that then has no effect. Logs are
    readable text on a terminal, JSON elsewhere.
    """
    number = logging.getLevelNamesMapping()[level]
    _output.configure(number, stream if stream is not None else sys.stderr)
    root = logging.getLogger()
    root.handlers[:] = [_LibraryHandler()]
    root.setLevel(number)
    for name in ("alembic", "httpx2"):  # alembic logs its routine, httpx2 whole URLs
        logging.getLogger(name).setLevel(max(logging.WARNING, number))


class TraceContext(NamedTuple):
    """The place of a request in a trace."""

    trace: str
    """32 hexadecimal digits."""
    span: str
    """16 hexadecimal digits; either may be empty."""


_UNTRACED: Final = TraceContext("", "")


def trace_of(headers: Mapping[str, str], params: Mapping[str, object] | None = None) -> TraceContext:
    """Return the trace that a request belongs to, as its headers or else its `_meta` say; an empty one if neither does.

    Args:
        headers: of the HTTP request, by lower-case name.
        params: of the MCP request.

    Source: W3C Trace Context, section 3.2 (`traceparent`); Google Cloud Trace (`x-cloud-trace-context`); SEP-414.
    """
    meta = params.get("_meta") if params else None
    if meta is None and "traceparent" not in headers and "x-cloud-trace-context" not in headers:
        return _UNTRACED
    said = meta.get("traceparent") if isinstance(meta, dict) else None
    in_envelope = said if isinstance(said, str) else None
    return _trace(headers.get("traceparent"), headers.get("x-cloud-trace-context"), in_envelope)


@lru_cache(maxsize=64)  # asked for by the log line and by the tool of a request
def _trace(parent: str | None, of_cloud: str | None, in_envelope: str | None) -> TraceContext:
    for form, given in ((_TRACEPARENT, parent), (_CLOUD_TRACE, of_cloud), (_TRACEPARENT, in_envelope)):
        found = form.fullmatch(given.strip()) if given is not None else None
        if found is not None and found[1] != _NO_TRACE:
            span = found[2] or ""
            return TraceContext(found[1].lower(), f"{int(span):016x}"[-16:] if form is _CLOUD_TRACE and span else span)
    return _UNTRACED
