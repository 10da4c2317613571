"""A line of the log becomes an entry of Cloud Logging, by Google's own description of one.

Source: Google Cloud Logging, "Structured logging" (special fields); Error Reporting, "Format errors in logs".
"""

import io
import json
import re
from datetime import datetime
from typing import Any, Final

import pytest

from shared import telemetry
from shared.identity import Principal, Tenant
from shared.json_rpc import JSONRPCRequest
from shared.request_log import RequestLog
from shared.telemetry import LABELS, LogContext, configure_logging, get_logger
from tests.deploy.google_api import misfits

MOVED: Final = {
    "severity": "severity",
    "time": "timestamp",
    "logging.googleapis.com/trace": "trace",
    "logging.googleapis.com/spanId": "spanId",
    "logging.googleapis.com/trace_sampled": "traceSampled",
    "logging.googleapis.com/labels": "labels",
    "logging.googleapis.com/sourceLocation": "sourceLocation",
}
"""Where the special fields of a line go; all others stay in `jsonPayload`."""
PARENT: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SERVICE: Final = {"service": "mcp-server", "version": "mcp-server-00042-abc"}


def entry_of(line: dict[str, Any]) -> dict[str, Any]:
    """Return the entry that a line becomes."""
    entry = {MOVED[name]: value for name, value in line.items() if name in MOVED}
    return {**entry, "jsonPayload": {name: value for name, value in line.items() if name not in MOVED}}


class Kept(io.TextIOWrapper):
    """A stream that keeps what is written to it."""

    def __init__(self) -> None:
        self.kept = io.BytesIO()
        super().__init__(self.kept, encoding="utf-8")

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines."""
        return [json.loads(line) for line in self.kept.getvalue().splitlines()]


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setattr(telemetry, "_output", telemetry.LogOutput())
    kept = Kept()
    configure_logging(level="DEBUG", stream=kept, service=SERVICE)
    return kept


def raise_deeply() -> None:
    raise LookupError("a text that may be anything")


def test_every_line_fits_googles_description_of_an_entry(out: Kept) -> None:
    log = get_logger("shared.x")
    request = JSONRPCRequest(id=1, method="tools/call", params={"_meta": {"traceparent": PARENT}})
    with (
        LogContext(tenant="acme", **{LABELS: {"tenant": "acme"}}),
        RequestLog(request, Principal("me", tenant=Tenant("acme")), {}, "sse") as line,
    ):
        line.response = b"{}", None
        log.debug("details")
        log.warning("late", after_s=1.5)
        log.error("failed", code=5)
        try:
            raise_deeply()
        except LookupError:
            log.exception("crashed")

    entries = [entry_of(one) for one in out.lines()]
    assert [one for entry in entries for one in misfits("logging.v2", "LogEntry", entry)] == []
    assert [one["severity"] for one in entries] == ["DEBUG", "WARNING", "ERROR", "ERROR", "INFO"]
    for entry in entries:
        assert datetime.fromisoformat(entry["timestamp"]).tzinfo is not None
        assert (entry["trace"], entry["spanId"], entry["traceSampled"]) == (PARENT[3:35], PARENT[36:52], True)
        assert entry["labels"] == {"tenant": "acme"}
        assert not any(name.startswith("logging.googleapis.com/") for name in entry["jsonPayload"])
    source = entries[1]["sourceLocation"]
    assert (source["file"], source["function"]) == (
        __file__,
        test_every_line_fits_googles_description_of_an_entry.__name__,
    )
    assert re.fullmatch("[0-9]+", source["line"])


def test_a_planted_mistake_does_not_fit() -> None:
    wrong = {"severity": "WARN", "trace": "x", "traceSampled": "yes", "labels": {"a": 1}, "spanID": "y"}

    assert misfits("logging.v2", "LogEntry", {**wrong, "sourceLocation": {"line": True}}) == [
        "LogEntry.severity is none of " + ", ".join(SEVERITIES),
        "LogEntry.traceSampled is not of type boolean",
        "LogEntry.labels.a is not of type string",
        "LogEntry.spanID is unknown",
        "LogEntry.sourceLocation.line is not of type string",
    ]


SEVERITIES: Final = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")


def test_error_reporting_groups_errors_by_their_stack_trace_or_their_place(out: Kept) -> None:
    """It reads `stack_trace`, then `exception`, then `message`; without a stack trace it needs `reportLocation`."""
    log = get_logger("shared.x")
    log.warning("no error")
    log.error("failed")
    try:
        raise_deeply()
    except LookupError:
        log.exception("crashed")

    warning, without, crashed = out.lines()
    assert not {"@type", "serviceContext", "context"} & {*warning}
    for error in (without, crashed):
        assert error["@type"].endswith("clouderrorreporting.v1beta1.ReportedErrorEvent")
        assert error["serviceContext"] == SERVICE
    place = without["context"]["reportLocation"]
    assert (place["filePath"], place["functionName"]) == (
        *(__file__, test_error_reporting_groups_errors_by_their_stack_trace_or_their_place.__name__),
    )
    assert isinstance(place["lineNumber"], int)
    lines = crashed["exception"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert f'File "{__file__}", line ' in crashed["exception"]
    assert lines[-1] == "LookupError", "its text may be anything"
    assert "context" not in crashed


def test_no_line_is_longer_than_an_entry_may_be(out: Kept) -> None:
    log = get_logger("shared.x")
    log.info("many", **{f"field{number}": "\U0001f642" * 9_000 for number in range(60)})
    log.info("nested", value=[["x" * 1_000] * 1_000])
    assert max(map(len, out.kept.getvalue().splitlines())) < 256 * 1024
    many, nested = out.lines()
    assert many["message"] == "many"
    assert nested["message"] == "nested"
    assert nested["fields_left_out"] == 1
