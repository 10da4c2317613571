"""A little collector: takes OTLP over HTTP in protobuf, as the exporters of OpenTelemetry send it, and keeps it."""

import asyncio
import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Semaphore, Thread
from typing import Any, Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

WAIT_S: Final = 20.0
KINDS: Final = {2: "SERVER", 3: "CLIENT"}


@dataclass(frozen=True)
class Span:
    """A span that was received. Ids are hexadecimal; `parent` and `links` may be empty."""

    name: str
    trace: str
    span: str
    parent: str
    kind: str
    attributes: dict[str, Any]
    is_error: bool
    links: tuple[str, ...]
    resource: dict[str, Any]

    @property
    def service(self) -> str:
        """The program that it is of."""
        return str(self.resource["service.name"])


@dataclass
class Collector:
    """What was received so far."""

    url: str
    """For `OTEL_EXPORTER_OTLP_ENDPOINT`."""
    spans: list[Span] = field(default_factory=list)
    metrics: dict[str, Metric] = field(default_factory=dict)
    """Those of the last export, by name."""
    resource: dict[str, Any] = field(default_factory=dict)
    """What the last export of metrics was of."""
    requests: int = 0
    exports: Semaphore = field(default_factory=lambda: Semaphore(0))
    """Is released with each request."""
    status: int = 200
    """What it answers; with any other it keeps nothing."""
    raw: list[bytes] = field(default_factory=list)
    """Every body, for tests that look for what must not be in it."""
    _lock: Lock = field(default_factory=Lock)

    def of(self, trace: str) -> list[Span]:
        """Return the spans of one trace."""
        return [span for span in self.spans if span.trace == trace]

    async def until(self, holds: Callable[[], bool], *, within_s: float = WAIT_S) -> None:
        """Wait until `holds`. Raises: TimeoutError."""
        async with asyncio.timeout(within_s):
            while not holds():  # noqa: ASYNC110 - exports come from another process
                await asyncio.sleep(0.05)

    def take(self, path: str, body: bytes) -> None:
        """Keep what an exporter sent."""
        with self._lock:
            self.raw.append(body)
            if path == "/v1/traces":
                self.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            elif path == "/v1/metrics":
                for one in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    self.resource = _values(one.resource.attributes)
                    self.metrics = {metric.name: metric for scope in one.scope_metrics for metric in scope.metrics}


@contextmanager
def otlp_receiver() -> Iterator[Collector]:
    """Run a collector on a free port of this machine."""
    collector = Collector("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.requests += 1
            if collector.status == 200:
                is_packed = self.headers.get("content-encoding") == "gzip"
                collector.take(self.path, gzip.decompress(body) if is_packed else body)
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()
            collector.exports.release()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _spans(sent: ExportTraceServiceRequest) -> list[Span]:
    return [
        Span(
            span.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            KINDS.get(span.kind, "INTERNAL"),
            _values(span.attributes),
            span.status.code == 2,
            tuple(link.trace_id.hex() for link in span.links),
            _values(of_resource.resource.attributes),
        )
        for of_resource in sent.resource_spans
        for scope in of_resource.scope_spans
        for span in scope.spans
    ]


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair) for pair in pairs}


def _value(pair: KeyValue) -> Any:
    kind = pair.value.WhichOneof("value")
    return getattr(pair.value, kind) if kind else None
