"""Structured logs on stderr, and the seam for counters.

Each log entry is one line of JSON (or readable text on a terminal) with a constant `event` and varying fields: ids and
numbers, never bodies, keys or tokens. Counters go to the `Counter` of the entry point; nothing is counted twice.
"""

import logging
import re
import sys
from collections import Counter as Tally
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Protocol, TextIO

import structlog

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_CLOUD_TRACE: Final = re.compile(r"([0-9a-f]{32})(?:/.*)?", re.IGNORECASE)
_NO_TRACE: Final = "0" * 32
OTHER: Final = "other"
"""The label value of every name that is not told apart."""
MAX_TENANTS: Final = 100
"""Tenants that counters tell apart."""
LONGEST_TEXT: Final = 10_000
"""Characters of one value in a log line. Libraries log untrusted input at its full length."""
_SEVERITY = {"warning": "WARNING", "warn": "WARNING", "error": "ERROR", "exception": "ERROR", "critical": "CRITICAL"}


class Counter(Protocol):
    """Counts events. Label values must come from a bounded set."""

    def count(self, name: str, **labels: str) -> None:
        """Add one to `name` with these labels."""
        ...


class BoundedLabels:
    """Makes names that clients choose into label values: the first `max_names` as they are, any other as `other`."""

    def __init__(self, max_names: int) -> None:
        self._max_names = max_names
        self._known: set[str] = set()

    def label(self, name: str) -> str:
        """Return `name`, or `other`."""
        if name not in self._known and len(self._known) >= self._max_names:
            return OTHER
        self._known.add(name)
        return name


class TallyCounter:
    """Counts in memory, for `GET /metrics` and for tests.

    Callers must bound their label values; as a safeguard, series beyond `MAX_SERIES` are counted without labels.
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
        """Return the count of `name` over all series with at least these labels."""
        wanted = set(labels.items())
        return sum(
            n for (counted, with_labels), n in self.tally.items() if counted == name and wanted <= {*with_labels}
        )


def _add_severity(_: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the level as the `severity` of Google Cloud Logging."""
    event["severity"] = _SEVERITY.get(method, method.upper())
    return event


def _shorten(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Cut the middle out of values that are too long; the end of an exception says what it is."""
    half = LONGEST_TEXT // 2
    for name, value in event.items():
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            event[name] = f"{value[:half]} … {value[-half:]}"
    return event


def _shows_no_contents(record: logging.LogRecord) -> bool:
    """Whether `record` may be logged at any level: libraries log headers, bodies and SQL values at DEBUG."""
    is_ours = isinstance(record.msg, dict)
    return is_ours or record.levelno > logging.DEBUG


def configure_logging(*, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send this program's and the libraries' logs to `stream` (default stderr), one line each, from `level` up.

    Call it before an `MCPServer()` is created, which calls `logging.basicConfig`; that then has no effect. Logs are
    readable text on a terminal, JSON elsewhere.
    """
    out = stream if stream is not None else sys.stderr
    readable = out.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
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
    handler.addFilter(_shows_no_contents)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("alembic", "httpx2"):  # alembic logs its routine, httpx2 whole URLs
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of module `name`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def trace_of(headers: Mapping[str, str]) -> str:
    """Return the trace id of an HTTP request, 32 hexadecimal digits; empty if it has no valid one.

    Args:
        headers: the request's headers by lower-case name.

    Source: W3C Trace Context, section 3.2 (`traceparent`); Google Cloud Trace (`x-cloud-trace-context`).
    """
    for name, form in (("traceparent", _TRACEPARENT), ("x-cloud-trace-context", _CLOUD_TRACE)):
        found = form.fullmatch(headers.get(name, "").strip())
        if found is not None and found[1] != _NO_TRACE:
            return found[1].lower()
    return ""
