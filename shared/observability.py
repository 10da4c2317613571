"""Sends what OpenTelemetry records, to where `OTEL_EXPORTER_OTLP_ENDPOINT` says. Imported only if that is set.

What is sent waits in bounded queues, each with a thread of its own, and is dropped when a collector does not keep up:
calls never wait for it. All other settings are OpenTelemetry's own variables, which its SDK reads.
Source: OpenTelemetry, OTLP exporter and SDK configuration; semantic conventions for resources (cloud, faas).
"""

import logging
import os
import time
import uuid
from collections.abc import Callable
from threading import Thread
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from shared.otel_spans import OTelSpans
from shared.spans import record_with
from shared.telemetry import get_logger

log = get_logger(__name__)

STOP_S: Final = 0.8
"""How long the last export may take: the drain before it takes at most 8 s of the 10 that Cloud Run gives."""
QUIET_S: Final = 300.0
"""How long further failures are only counted."""
TRACER: Final = "ticket_server"
Signal = Callable[[Resource], Callable[[], None]]
"""Begins to export one kind of data of a resource; returns what sends the rest and ends."""


class Observability:
    """Exports until it is stopped.

    Args:
        service: name of this program, unless `OTEL_SERVICE_NAME` has another.
        version: its version.
    """

    def __init__(self, service: str, version: str) -> None:
        libraries = logging.getLogger("opentelemetry")
        libraries.handlers[:], libraries.propagate = [_FailureHandler()], False
        self._resource = resource_of(service, version)
        self._stops: list[Callable[[], None]] = []

    def begin(self, signal: Signal) -> None:
        """Export one kind of data, until all are stopped."""
        self._stops.append(signal(self._resource))

    def stop(self) -> None:
        """Send what is left, as far as that takes no longer than `STOP_S`."""
        threads = [Thread(target=stop, daemon=True) for stop in self._stops]
        for thread in threads:
            thread.start()
        until = time.monotonic() + STOP_S
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))


def resource_of(service: str, version: str) -> Resource:
    """Return what all data of this process is about. `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` win."""
    environment = os.environ
    own = {"service.name": service, "service.version": version, "service.instance.id": str(uuid.uuid4())}
    if "K_SERVICE" in environment:
        own |= {"cloud.provider": "gcp", "cloud.platform": "gcp_cloud_run", "faas.name": environment["K_SERVICE"]}
        own |= {"faas.version": environment.get("K_REVISION", "")}
    said = {pair.partition("=")[0].strip() for pair in environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")}
    said |= {"service.name"} if environment.get("OTEL_SERVICE_NAME") else set()
    return Resource.create({name: value for name, value in own.items() if name not in said})


def export_traces(resource: Resource) -> Callable[[], None]:
    """Export the spans of this process: those of requests, and its statements to databases. See `Signal`."""
    from shared.storage.sql_spans import StatementSpans  # noqa: PLC0415 - brings SQLAlchemy

    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)  # for notifications, which the SDK of MCP traces
    tracer = provider.get_tracer(TRACER)
    statements = StatementSpans(tracer)
    statements.listen()
    record_with(OTelSpans(tracer))

    def stop() -> None:
        record_with(None)
        statements.ignore()
        provider.shutdown()

    return stop


class _FailureHandler(logging.Handler):
    """Writes that something could not be exported, and for the next five minutes no more.

    A collector that is away would else leave a line every few seconds. Its address, which may have a password, and the
    texts of libraries stay out of the log.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._written_at = -QUIET_S
        self._counted = 0

    def emit(self, record: logging.LogRecord) -> None:
        self._counted += 1
        now = time.monotonic()
        if now - self._written_at < QUIET_S:
            return
        counted, self._counted, self._written_at = self._counted, 0, now
        error = type(record.exc_info[1]).__name__ if record.exc_info and record.exc_info[1] else ""
        source = record.name.removeprefix("opentelemetry.")
        log.warning("telemetry_export_failed", source=source, error=error, failures=counted)
