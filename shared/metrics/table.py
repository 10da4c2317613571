"""Every metric of the HTTP server: what it is called, what it means, and by which labels it is split.

The names of OpenTelemetry are those of its semantic conventions where there is one. Each translates to the name of
`GET /metrics` by the rules for Prometheus, so that one query reads both: dots become underscores, the unit and `_total`
are appended. tests/shared/metrics compares the table with these rules and with what the code counts.
Source: opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics;
opentelemetry.io/docs/specs/semconv (mcp, http, gen-ai).
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple


class MetricKind(StrEnum):
    """What the values of a metric are."""

    COUNTER = "counter"
    """How often something happened since the start."""
    GAUGE = "gauge"
    """How much of something there is now."""
    HISTOGRAM = "histogram"
    """How long something took, in buckets."""


class Metric(NamedTuple):
    """One metric."""

    prometheus: str
    """Its name on `GET /metrics`, in rules and on dashboards."""
    kind: MetricKind
    help: str
    attributes: tuple[str, ...]
    """Names of its labels in OpenTelemetry."""
    otlp: str
    """Its name in OpenTelemetry."""
    unit: str
    """In OpenTelemetry, as UCUM writes it; a word in braces only says what is counted."""
    series: int
    """How many series one instance has at most. A histogram has fourteen lines for each."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of its labels on `GET /metrics`."""
        return tuple(name.replace(".", "_") for name in self.attributes)


_TENANTS: Final = 101  # shared.telemetry.MAX_TENANTS, and `other`
_TOOLS: Final = 20
_OUTCOMES: Final = 30  # words of shared.errors and codes of JSON-RPC; the bound is that of TallyCounter
_COUNTED: Final = 10_000  # all counters together: TallyCounter.MAX_SERIES
_TIMED: Final = 2_000  # one histogram: Histogram.MAX_SERIES


def _counter(name: str, text: str, *labels: str, unit: str, series: int) -> Metric:
    prometheus = f"ticket_server_{name}_total"
    return Metric(prometheus, MetricKind.COUNTER, text, labels, f"ticket_server.{name}", f"{{{unit}}}", series)


def _gauge(name: str, text: str, *labels: str, unit: str = "") -> Metric:
    return Metric(f"ticket_server_{name}", MetricKind.GAUGE, text, labels, f"ticket_server.{name}", unit, 1)


def _process(name: str, kind: MetricKind, text: str, otlp: str, unit: str) -> Metric:
    return Metric(f"process_{name}", kind, text, (), f"process.{otlp}", unit, 1)


# fmt: off
METRICS: Final[Mapping[str, Metric]] = MappingProxyType({
    "operations": Metric(
        "mcp_server_operation_duration_seconds", MetricKind.HISTOGRAM,
        "Time from reading an MCP request to its response, in seconds. error_type is empty if it succeeded.",
        ("mcp.method.name", "gen_ai.tool.name", "mcp.protocol.version", "wire", "error.type"),
        "mcp.server.operation.duration", "s", _TIMED,
    ),
    "own_time": Metric(
        "ticket_server_own_duration_seconds", MetricKind.HISTOGRAM,
        "Time of a tool call less the time in which it waited for the ticket API, in seconds.",
        ("gen_ai.tool.name",), "ticket_server.own.duration", "s", _TOOLS,
    ),
    "api_time": Metric(
        "http_client_request_duration_seconds", MetricKind.HISTOGRAM,
        "Time of a request to a ticket API with its attempts and its wait for a slot, in seconds. error_type is empty "
        "if it succeeded.",
        ("http.request.method", "error.type"), "http.client.request.duration", "s", 3 * _OUTCOMES,
    ),
    "api_requests": _counter(
        "api_requests", "Requests to ticket APIs by method and outcome.", "method", "outcome",
        unit="request", series=3 * _OUTCOMES,
    ),
    "audit_events_lost": _counter(
        "audit_events_lost", "Audit events that the identity store did not accept in time; they are in the log.",
        unit="event", series=1,
    ),
    "broker_calls": _counter(
        "broker_calls", "Calls of the session broker (Valkey) by outcome: ok or failed.", "outcome",
        unit="call", series=2,
    ),
    "client_habits": _counter(
        "client_habits", "Requests and calls served although they bend the protocol, by habit.", "habit",
        unit="request", series=20,
    ),
    "http_refusals": _counter(
        "http_refusals", "Requests refused before reaching a handler, and wrong operator keys, by status and kind.",
        "kind", "status", "tenant", unit="request", series=_COUNTED,
    ),
    "limits_reached": _counter(
        "limits_reached", "Requests refused, or responses withheld, because a limit was reached, by limit.", "limit",
        unit="request", series=8,
    ),
    "mcp_answers_dropped": _counter(
        "mcp_answers_dropped", "Responses dropped because they came too late.", unit="response", series=1,
    ),
    "mcp_cancellations_ignored": _counter(
        "mcp_cancellations_ignored", "Cancellations that named no call that runs, or one that cannot be told apart.",
        unit="notification", series=1,
    ),
    "mcp_clients": _counter(
        "mcp_clients", "Sessions initialized, and requests of 2026-07-28, by wire, revision and client.",
        "client", "revision", "wire", unit="client", series=51 * 7 * 2,
    ),
    "mcp_requests": _counter(
        "mcp_requests", "Requests served by method and outcome.", "method", "outcome", "tenant",
        unit="request", series=_COUNTED,
    ),
    "sign_ins": _counter(
        "sign_ins", "Sign-ins of people: ok, or why one was refused.", "outcome", unit="sign-in", series=_OUTCOMES,
    ),
    "streams_ended": _counter(
        "streams_ended", "Streams ended by wire and reason.", "reason", "wire", unit="stream", series=2 * 7,
    ),
    "streams_opened": _counter("streams_opened", "Streams opened by wire.", "wire", unit="stream", series=2),
    "streams_resumed": _counter(
        "streams_resumed", "Streams that went on where their client had left, by wire.", "wire",
        unit="stream", series=2,
    ),
    "tool_calls": _counter(
        "tool_calls", "Calls by tool, outcome and organisation.", "outcome", "tenant", "tool",
        unit="call", series=_COUNTED,
    ),
    "writes_unconfirmed": _counter(
        "writes_unconfirmed", "Writes that could not be read back as written.", "kind", unit="write", series=_OUTCOMES,
    ),
    "sessions": _gauge("sessions", "Number of sessions on this instance.", unit="{session}"),
    "sessions_limit": _gauge("sessions_limit", "Most sessions that this instance takes.", unit="{session}"),
    "streams": _gauge("streams", "Number of streams on this instance.", unit="{stream}"),
    "log_bytes": Metric(
        "ticket_server_log_bytes", MetricKind.GAUGE, "Bytes of events here that clients may still have to read.",
        (), "ticket_server.log", "By", 1,
    ),
    "instance_calls_in_flight": _gauge("instance_calls_in_flight", "MCP requests that run now.", unit="{request}"),
    "broker_up": _gauge(
        "broker_up", "1 while the session broker (Valkey) can be reached, else 0; absent without a broker.",
        unit="{broker}",
    ),
    "build_info": _gauge(
        "build_info", "1, with the version, the revision of the platform (K_REVISION) and that of Python.",
        "version", "revision", "python",
    ),
    "process_resident_memory": _process(
        "resident_memory_bytes", MetricKind.GAUGE, "Resident memory size in bytes.", "resident_memory", "By",
    ),
    "process_cpu": _process(
        "cpu_seconds_total", MetricKind.COUNTER, "User and system CPU time since the start, in seconds.", "cpu", "s",
    ),
    "process_start_time": _process(
        "start_time_seconds", MetricKind.GAUGE, "Start of the process, in seconds since 1970.", "start_time", "s",
    ),
    "process_open_fds": _process("open_fds", MetricKind.GAUGE, "Open file descriptors.", "open_fds", "{file}"),
    "process_max_fds": _process("max_fds", MetricKind.GAUGE, "Most open file descriptors.", "max_fds", "{file}"),
})
# fmt: on
"""By the name under which the code counts them, or reads them when they are asked for."""
