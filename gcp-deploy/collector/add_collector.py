"""Adds Google's OpenTelemetry collector to the service of the server: reads its YAML from STDIN, prints it with both.

    python3 gcp-deploy/collector/add_collector.py < service.yaml | gcloud run services replace -

The server then sends metrics and traces to it over loopback. Needs only the standard library. Not tried against Google.
Source: GoogleCloudPlatform/opentelemetry-cloud-run (run-service.yaml, collector-config.yaml).
"""

import sys
from pathlib import Path
from typing import Final

IMAGE: Final = (
    "us-docker.pkg.dev/cloud-ops-agents-artifacts/google-cloud-opentelemetry-collector/otelcol-google:0.143.0"
)
CONFIG: Final = Path(__file__).with_name("config.yaml")
ANCHORS: Final = (
    (
        "      annotations:\n",
        '{anchor}        run.googleapis.com/container-dependencies: \'{{"server":["collector"]}}\'\n',
    ),
    ("        - image: ", "        - name: server\n          image: "),
    (
        "          env:\n",
        "{anchor}            - name: OTEL_EXPORTER_OTLP_ENDPOINT\n              value: http://localhost:4318\n",
    ),
    ("  traffic:\n", "{collector}{anchor}"),
)
"""Lines that the service has once, and what takes their place."""
COLLECTOR: Final = """\
        - name: collector
          image: {image}
          args: ["--config=env:COLLECTOR_CONFIG"]
          env:
            - name: COLLECTOR_CONFIG
              value: |
{config}\
          resources:
            limits:
              cpu: 250m
              memory: 256Mi
          startupProbe:
            httpGet:
              path: /
              port: 13133
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 15
"""


class NotAServiceError(Exception):
    """The text is not that of the server's service, or it has a collector already."""


def with_collector(service: str) -> str:
    """Return the YAML of a service with the collector in it. Raises: NotAServiceError."""
    config = "".join(
        f"{' ' * 16}{line}\n" for line in CONFIG.read_text("utf-8").splitlines() if not line.startswith("#")
    )
    collector = COLLECTOR.format(image=IMAGE, config=config)
    for anchor, replacement in ANCHORS:
        if service.count(anchor) != 1:
            raise NotAServiceError(f"the service must have the line {anchor.strip()!r} exactly once")
        service = service.replace(anchor, replacement.format(anchor=anchor, collector=collector))
    return service


def main() -> int:
    """Print the service; return the exit code."""
    try:
        sys.stdout.write(with_collector(sys.stdin.read()))
    except NotAServiceError as error:
        sys.stderr.write(f"No collector was added: {error}.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
