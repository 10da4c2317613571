"""Structured logs on stderr, and the seam for counters.

Logs are one JSON object a line (or a readable line on a terminal) with a constant `event` and varying fields: ids and
figures, never bodies, keys or tokens. Counters go to whatever `Counter` the door installed; nothing is counted twice.
"""

import logging
import re
import sys
from collections import Counter as Tally
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final, Protocol, Self, TextIO

import structlog

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_CLOUD_TRACE: Final = re.compile(r"([0-9a-f]{32})(?:/.*)?", re.IGNORECASE)
_NO_TRACE: Final = "0" * 32
LONGEST_TEXT: Final = 10_000
"""Signs of one value in a log line. Libraries write what strangers sent, as long as it was."""
_SEVERITY = {"warning": "WARNING", "warn": "WARNING", "error": "ERROR", "exception": "ERROR", "critical": "CRITICAL"}


class Counter(Protocol):
    """Counts things that happened. Label values must come from a bounded set."""

    def count(self, name: str, **labels: str) -> None:
        """Add one to `name` with these labels."""
        ...


class TallyCounter:
    """Counts in memory: what `GET /metrics` shows, and what tests read.

    Who counts bounds its labels; should one forget to, series beyond `MAX_SERIES` are counted without labels.
    """

    MAX_SERIES = 10_000

    def __init__(self) -> None:
        self.tally: Tally[tuple[str, tuple[tuple[str, str], ...]]] = Tally()

    def count(self, name: str, **labels: str) -> None:
        """Add one to `name` with these labels."""
        series = (name, tuple(sorted(labels.items())))
        is_full = len(self.tally) >= self.MAX_SERIES and series not in self.tally
        self.tally[(name, ()) if is_full else series] += 1

    def total(self, name: str, **labels: str) -> int:
        """Return how often `name` was counted with at least these labels."""
        wanted = set(labels.items())
        return sum(
            n for (counted, with_labels), n in self.tally.items() if counted == name and wanted <= {*with_labels}
        )


_context: ContextVar[Mapping[str, object]] = ContextVar("log_context", default=MappingProxyType({}))


class LogContext:
    """Fields of every log line that is written while inside, also by tasks that are started there.

    One variable with one mapping, which is read when a line is written: most requests write none.
    """

    __slots__ = ("_fields", "_token")

    def __init__(self, **fields: object) -> None:
        self._fields = fields

    def __enter__(self) -> Self:
        self._token = _context.set({**_context.get(), **self._fields})
        return self

    def __exit__(self, *_: object) -> None:
        _context.reset(self._token)

    def add(self, **fields: object) -> None:
        """Add fields to the lines that follow."""
        _context.set({**_context.get(), **fields})


def _add_context(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in _context.get().items():
        event.setdefault(name, value)
    return event


def _add_severity(_: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name the level as Google Cloud Logging reads it."""
    event["severity"] = _SEVERITY.get(method, method.upper())
    return event


def _shorten(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Leave out the middle of what is too long: an exception says at its end what it is."""
    half = LONGEST_TEXT // 2
    for name, value in event.items():
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            event[name] = f"{value[:half]} … {value[-half:]}"
    return event


def _tells_no_contents(record: logging.LogRecord) -> bool:
    """Whether `record` may be shown at any level: libraries write headers, bodies and SQL values at DEBUG."""
    is_ours = isinstance(record.msg, dict)
    return is_ours or record.levelno > logging.DEBUG


def configure_logging(*, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send our own logs and those of libraries to `stream` (stderr), one line each, from `level` up.

    Must run before the SDK is imported into a server: `MCPServer()` calls `logging.basicConfig`, which then does
    nothing. Readable on a terminal, JSON elsewhere.
    """
    out = stream if stream is not None else sys.stderr
    readable = out.isatty()
    shared: list[structlog.typing.Processor] = [
        _add_context,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    last: list[structlog.typing.Processor]
    if readable:
        shared.append(structlog.stdlib.add_log_level)
        last = [structlog.dev.ConsoleRenderer(timestamp_key="time", exception_formatter=structlog.dev.plain_traceback)]
    else:
        shared.append(_add_severity)
        last = [structlog.processors.format_exc_info, _shorten, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    handler.addFilter(_tells_no_contents)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("alembic", "httpx2"):  # one says how it works, the other writes whole URLs
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of module `name`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def trace_of(headers: Mapping[str, str]) -> str:
    """Return the trace id of an HTTP request, 32 hexadecimal digits; empty where it has none that makes sense.

    Args:
        headers: its headers by their lower-case names.

    Source: W3C Trace Context, section 3.2 (`traceparent`); Google Cloud Trace (`x-cloud-trace-context`).
    """
    for name, form in (("traceparent", _TRACEPARENT), ("x-cloud-trace-context", _CLOUD_TRACE)):
        found = form.fullmatch(headers.get(name, "").strip())
        if found is not None and found[1] != _NO_TRACE:
            return found[1].lower()
    return ""
