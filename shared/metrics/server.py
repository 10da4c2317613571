"""Everything that is measured of an HTTP server, put together."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Protocol

from shared.metrics.limits import limits_reached
from shared.metrics.process import build_info, process_readings
from shared.metrics.registry import MetricReading, Registry
from shared.telemetry import TallyCounter


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
