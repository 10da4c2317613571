"""Everything that is measured of an HTTP server, put together."""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

from shared.counting import TallyCounter
from shared.metrics.limits import limits_reached
from shared.metrics.process import build_info, process_readings
from shared.metrics.registry import MetricReading, Registry

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource


class Measured(Protocol):
    """What has numbers that are not counted."""

    def stats(self) -> Mapping[str, int]:
        """Return gauges by their names in `METRICS`."""
        ...

    def broker_calls(self) -> Mapping[str, int]:
        """Return the calls of the session broker by outcome."""
        ...


def server_metrics(counter: TallyCounter, transport: Measured, *, version: str, revision: str) -> Registry:
    """Return the metrics of one HTTP server.

    Args:
        counter: has what is counted.
        transport: what it serves.
        version: see `build_info`.
        revision: likewise.
    """
    build = build_info(version, revision)

    def now() -> Iterator[MetricReading]:
        yield build
        for name, value in transport.stats().items():
            yield MetricReading(name, value)
        for outcome, calls in transport.broker_calls().items():
            yield MetricReading("broker_calls", calls, (outcome,))

    return Registry(counter, now, partial(limits_reached, counter), process_readings)


def over_otlp(registry: Registry) -> Callable[["Resource"], Callable[[], None]]:
    """Return what sends these metrics over OTLP: a `Signal` of shared.observability.

    It sends nothing if the standard variable `OTEL_METRICS_EXPORTER` is `none`.
    """

    def signal(resource: "Resource") -> Callable[[], None]:
        if os.environ.get("OTEL_METRICS_EXPORTER") == "none":
            return lambda: None
        from shared.metrics.otlp import export_metrics  # noqa: PLC0415 - imports the SDK of OpenTelemetry

        return export_metrics(resource, registry=registry)

    return signal
