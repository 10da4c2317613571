"""Exports traces and metrics while a program runs, if an operator asked for that; else nothing of it is imported."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"


@contextmanager
def exporting(endpoint: str | None, service: Mapping[str, str], *more: Any) -> Iterator[None]:
    """Export to `endpoint` until left.

    Args:
        endpoint: address of a collector; None for no export.
        service: the `service` and `version` of this program.
        more: what is exported beside traces, each a `shared.observability.Signal`.
    """
    if endpoint is None:
        yield
        return
    from shared.observability import Observability, export_traces  # noqa: PLC0415 - takes a quarter of a second

    os.environ.setdefault(ENDPOINT, endpoint)  # `.env` may have named it, and the SDK reads the environment alone
    traces = () if os.environ.get("OTEL_TRACES_EXPORTER") == "none" else (export_traces,)
    observability = Observability(service["service"], service["version"], [*traces, *more])
    try:
        yield
    finally:
        observability.stop()
