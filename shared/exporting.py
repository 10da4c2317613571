"""Exports traces and metrics while a program runs, if an operator asked for that; else nothing of it is imported."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"


@contextmanager
def exporting(endpoint: str | None, service: Mapping[str, str]) -> Iterator[Callable[[Any], None]]:
    """Export to `endpoint` until left, and give a function that exports one more `shared.observability.Signal`.

    Args:
        endpoint: address of a collector; None for no export: then the function does nothing.
        service: the `service` and `version` of this program.
    """
    if endpoint is None:
        yield lambda _: None
        return
    from shared.observability import Observability, export_traces  # noqa: PLC0415 - takes a quarter of a second

    os.environ.setdefault(ENDPOINT, endpoint)  # `.env` may have named it, and the SDK reads the environment alone
    observability = Observability(service["service"], service["version"])
    if os.environ.get("OTEL_TRACES_EXPORTER") != "none":
        observability.begin(export_traces)
    try:
        yield observability.begin
    finally:
        observability.stop()
