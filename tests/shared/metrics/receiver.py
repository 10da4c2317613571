"""A receiver of OTLP over HTTP, as a collector is: it keeps the latest value of each metric."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import decompress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric


class Receiver(ThreadingHTTPServer):
    """What came, by name of the metric."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.status = 200
        self.metrics: dict[str, Metric] = {}
        self.resource: dict[str, str] = {}
        self.exports = threading.Semaphore(0)
        """Is released with each export."""

    def take(self, body: bytes) -> None:
        """Keep what an export has."""
        for group in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            self.resource = {one.key: one.value.string_value for one in group.resource.attributes}
            self.metrics = {one.name: one for scope in group.scope_metrics for one in scope.metrics}


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.server.status == 200 and self.path == "/v1/metrics":
            self.server.take(decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()
        self.server.exports.release()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Serve one on loopback."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
