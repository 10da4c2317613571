"""Logs: one line each, from this program or a library, without any contents of messages. Counters."""

import asyncio
import io
import json
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.counting import TallyCounter
from shared.telemetry import LABELS, LogContext, add_fields, configure_logging, get_logger
from shared.trace_context import TRACE as TRACE_FIELD
from shared.trace_context import trace_of


class Stream(io.TextIOWrapper):
    """A stream that keeps what is written to it."""

    def __init__(self, kept: io.BytesIO | None = None) -> None:
        self.kept = io.BytesIO() if kept is None else kept
        super().__init__(self.kept, encoding="utf-8")

    def getvalue(self) -> str:
        """Return it."""
        return self.kept.getvalue().decode()


class Terminal(Stream):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Restore what `configure_logging` changes for the whole process."""
    root, chatty = logging.getLogger(), logging.getLogger("httpx2")
    before = (root.handlers[:], root.level, chatty.level)
    yield
    root.handlers[:], root.level, chatty.level = before
    root.setLevel(before[1])  # setting the level alone does not clear the loggers' caches


@pytest.fixture
def out() -> Stream:
    return Stream()


def lines(out: Stream) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_log_is_one_json_object_a_line(out: Stream) -> None:
    configure_logging(stream=out)

    get_logger("shared.x").info("tool_call_finished", tool="get_users", duration_ms=1.5)
    get_logger("shared.x").warning("api_connection_failed", attempt=2)

    first, second = lines(out)
    time = datetime.fromisoformat(first.pop("time"))
    assert first == {
        "severity": "INFO",
        "logger": "shared.x",
        "message": "tool_call_finished",
        "tool": "get_users",
        "duration_ms": 1.5,
    }
    assert abs(datetime.now(UTC) - time) < timedelta(minutes=1)
    assert (second["message"], second["severity"], second["attempt"]) == ("api_connection_failed", "WARNING", 2)


@pytest.mark.parametrize(
    ("method", "severity", "ours"),
    [
        ("debug", "DEBUG", True),
        ("info", "INFO", True),
        ("info", "INFO", False),
        ("warning", "WARNING", True),
        ("warning", "WARNING", False),
        ("error", "ERROR", True),
        ("error", "ERROR", False),
        ("exception", "ERROR", True),
        ("exception", "ERROR", False),
        ("critical", "CRITICAL", False),
    ],
)
def test_the_severity_is_what_google_cloud_reads(out: Stream, method: str, severity: str, ours: bool) -> None:
    """Cloud Logging, LogSeverity."""
    configure_logging(level="DEBUG", stream=out)

    getattr(get_logger("shared.x") if ours else logging.getLogger("library"), method)("happened")

    assert [line["severity"] for line in lines(out)] == [severity]


def test_an_exception_stays_in_the_line_of_its_event(out: Stream) -> None:
    configure_logging(stream=out)
    try:
        raise OSError("line one\nline two")
    except OSError:
        get_logger("shared.x").exception("tool_call_crashed")
        logging.getLogger("library").exception("it crashed")

    ours, theirs = lines(out)
    for line in (ours, theirs):
        assert line["exception"].startswith("Traceback (most recent call last):\n")
        assert line["exception"].endswith("OSError: line one\nline two")
        assert "exc_info" not in line


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn.error", "asyncio", "mcp.server", "alembic"])
def test_libraries_write_the_same_lines(out: Stream, name: str) -> None:
    configure_logging(stream=out)

    logging.getLogger(name).warning("Started %s in %d ms", "it", 5)

    [line] = lines(out)
    assert (line["message"], line["severity"]) == ("Started it in 5 ms", "WARNING")
    assert "time" in line


def test_a_line_stays_short_whatever_it_is_about_and_keeps_both_its_ends(out: Stream) -> None:
    configure_logging(stream=out)
    sent = f"first{'x' * 1_000_000}last"

    get_logger("shared.x").info("event", id=sent)
    logging.getLogger("library").info("not found: %s", sent)
    try:
        raise OSError(sent)
    except OSError:
        get_logger("shared.x").exception("tool_call_crashed")

    assert max(map(len, out.getvalue().splitlines())) < 11_000
    ours, theirs, crash = lines(out)
    assert ours["id"].startswith("first")
    assert theirs["message"].startswith("not found: first")
    assert ours["id"].endswith("last")
    assert crash["exception"].endswith("last")


def test_no_log_holds_a_line_break_or_another_separator(out: Stream) -> None:
    configure_logging(stream=out)

    get_logger("shared.x").info("event", id="a\nb\r\u2028c\x85{}")
    logging.getLogger("library").info("a\nb\u2029")

    assert out.getvalue().count("\n") == len(lines(out)) == 2
    assert out.getvalue().isascii()


def test_addresses_that_httpx_asks_for_are_not_written(out: Stream) -> None:
    """Its INFO line holds the whole URL, including search texts."""
    configure_logging(level="DEBUG", stream=out)

    logging.getLogger("httpx2").info("HTTP Request: GET http://h/tickets?searchQuery=secret")
    logging.getLogger("httpx2").warning("about the connection")

    assert [line["message"] for line in lines(out)] == ["about the connection"]


def test_a_quieter_level_quiets_httpx_too(out: Stream) -> None:
    configure_logging(level="ERROR", stream=out)

    logging.getLogger("httpx2").warning("about the connection")

    assert not out.getvalue()


@pytest.mark.parametrize("name", ["httpcore2.http11", "mcp.server.lowlevel", "aiosqlite", "sqlalchemy.engine"])
def test_what_libraries_write_at_debug_is_left_out(out: Stream, name: str) -> None:
    """They contain headers, messages and SQL values."""
    configure_logging(level="DEBUG", stream=out)

    logging.getLogger(name).debug("Received: %s", {"summary": "secret"})
    get_logger("shared.x").debug("ours")

    assert [line["message"] for line in lines(out)] == ["ours"]


def test_less_than_the_level_is_not_written(out: Stream) -> None:
    configure_logging(level="WARNING", stream=out)

    get_logger("shared.x").info("no")
    logging.getLogger("library").info("no")
    get_logger("shared.x").warning("yes")

    assert [line["message"] for line in lines(out)] == ["yes"]


def test_what_was_bound_at_the_edge_is_in_every_line_below(out: Stream) -> None:
    configure_logging(stream=out)

    with LogContext(request_id="r1", tenant="default"):
        get_logger("shared.x").info("ours")
        logging.getLogger("library").info("theirs")
    get_logger("shared.x").info("after")

    ours, theirs, after = lines(out)
    assert ours["request_id"] == theirs["request_id"] == "r1"
    assert ours["tenant"] == theirs["tenant"] == "default"
    assert "request_id" not in after


def test_fields_are_added_to_the_context_wherever_it_was_made(out: Stream) -> None:
    configure_logging(stream=out)

    assert not add_fields({"tool": "get_users"}), "there is none"
    with LogContext(request_id="r1"):
        asyncio.run(_adds_fields())
        get_logger("shared.x").info("ours")
    get_logger("shared.x").info("after")

    ours, after = lines(out)
    assert (ours["request_id"], ours["tool"]) == ("r1", "get_users")
    assert "tool" not in after


async def _adds_fields() -> None:
    assert add_fields({"tool": "get_users"})


def test_configuring_twice_writes_once_and_to_the_last_stream(out: Stream) -> None:
    first = Stream()
    configure_logging(stream=first)
    configure_logging(stream=out)

    get_logger("shared.x").info("once")
    logging.getLogger("library").info("once")

    assert not first.getvalue()
    assert [line["message"] for line in lines(out)] == ["once", "once"]


def test_a_logger_made_before_writes_as_configured(out: Stream) -> None:
    """Modules create theirs at import."""
    early = get_logger("shared.x")
    configure_logging(stream=out)

    early.info("event")

    assert lines(out)[0]["message"] == "event"


def test_basic_config_of_a_library_changes_nothing_afterwards(out: Stream) -> None:
    configure_logging(stream=out)
    logging.basicConfig(format="no json", level="CRITICAL")

    logging.getLogger("library").info("event")

    assert lines(out)[0]["message"] == "event"


def test_stderr_is_where_logs_go_and_stdout_stays_clean(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()

    get_logger("shared.x").info("event")

    written = capsys.readouterr()
    assert json.loads(written.err)["message"] == "event"
    assert not written.out


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as unread:
        configure_logging(stream=unread)
        get_logger("shared.x").error("nobody reads it")

    out = Stream()
    configure_logging(stream=out)
    out.close()
    get_logger("shared.x").error("second")


def test_a_line_is_whole_even_if_it_is_taken_in_parts() -> None:
    class Narrow(io.BytesIO):
        def write(self, data: Any, /) -> int:
            return super().write(data[:7])

    out = Stream(Narrow())
    configure_logging(stream=out)
    get_logger("shared.x").info("event", id="x" * 100)

    assert lines(out)[0]["id"] == "x" * 100


def test_a_mistake_in_a_librarys_log_call_stays_in_the_log(out: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(stream=out)

    logging.getLogger("library").info("%d", "no number")

    assert "--- Logging error ---" in capsys.readouterr().err


def test_before_it_is_configured_warnings_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    get_logger("shared.x").info("no")
    get_logger("shared.x").warning("yes")

    written = capsys.readouterr()
    assert "yes" in written.err
    assert "no" not in written.err.split()
    assert not written.out


def test_on_a_terminal_a_line_is_for_people() -> None:
    out = Terminal()
    configure_logging(stream=out)

    get_logger("shared.x").warning("api_connection_failed", attempt=2)

    assert "api_connection_failed" in out.getvalue()
    assert "warning" in out.getvalue()
    assert "attempt" in out.getvalue()
    assert not out.getvalue().startswith("{")


@pytest.mark.parametrize(("said", "has_colours"), [("", True), ("1", False)])
def test_colours_are_left_out_where_a_person_says_so(
    monkeypatch: pytest.MonkeyPatch, said: str, has_colours: bool
) -> None:
    """no-color.org: any value but an empty one."""
    monkeypatch.setenv("NO_COLOR", said)
    out = Terminal()
    configure_logging(stream=out, service={"service": "s", "version": "v"})

    with LogContext(**{TRACE_FIELD: "4bf92f3577b34da6a3ce929d0e0e4736", LABELS: {"tenant": "acme"}}):
        get_logger("shared.x").error("api_fault", status=500)

    assert ("\x1b" in out.getvalue()) is has_colours
    assert "trace" in out.getvalue()
    assert "4bf92f35" in out.getvalue()
    assert "test_telemetry.py:" in out.getvalue(), "where it comes from"
    for name in ("googleapis", "serviceContext", "labels", "reportLocation"):
        assert name not in out.getvalue()


def test_a_tally_counts_by_name_and_labels() -> None:
    counter = TallyCounter()
    counter.count("api_requests", method="GET", outcome="ok")
    counter.count("api_requests", outcome="ok", method="GET")
    counter.count("api_requests", method="POST", outcome="ok")
    counter.count("sessions")

    assert counter.total("api_requests") == 3
    assert counter.total("api_requests", method="GET") == 2
    assert counter.total("api_requests", method="GET", outcome="ok") == 2
    assert counter.total("api_requests", method="GET", outcome="not_found") == 0
    assert counter.total("sessions") == 1
    assert counter.total("never") == 0


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("headers", "trace"),
    [
        ({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, TRACE),
        ({"traceparent": f" 00-{TRACE}-00f067aa0ba902b7-01 "}, TRACE),
        ({"traceparent": f"cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-will-be-like"}, TRACE),
        ({"x-cloud-trace-context": f"{TRACE.upper()}/123;o=1"}, TRACE),
        ({"x-cloud-trace-context": TRACE}, TRACE),
        ({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "x-cloud-trace-context": "1" * 32}, TRACE),
        ({"traceparent": "nonsense", "x-cloud-trace-context": f"{TRACE}/1"}, TRACE),
        ({"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}, ""),
        ({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01\nforged"}, ""),
        ({"x-cloud-trace-context": "x" * 32}, ""),
        ({}, ""),
    ],
)
def test_a_trace_is_read_from_either_header_and_only_where_it_is_one(headers: dict[str, str], trace: str) -> None:
    assert trace_of(headers).trace == trace
