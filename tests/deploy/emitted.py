"""What the HTTP server emits: its metrics, their labels, and the values of those labels that rules compare with."""

import re
from collections.abc import Iterable
from functools import cache
from http import HTTPStatus
from inspect import getsource

from mcp_types.methods import SPEC_CLIENT_METHODS

import cloud_mcp_server  # noqa: F401 - it imports every module that defines an error
from shared.counting import BOUNDS_S, OTHER
from shared.errors import TicketServerError
from shared.json_rpc import INTERNAL_ERROR
from shared.metrics.limits import LIMITS
from shared.metrics.table import METRICS, MetricKind
from tests.deploy.promql import Emitted
from tests.deploy.slo import kinds
from transport.http import event_stream


@cache
def emitted() -> Emitted:
    """Return it, from the program's own tables."""
    labels = {
        metric.prometheus: frozenset(metric.labels) | ({"le"} if metric.kind is MetricKind.HISTOGRAM else set())
        for metric in METRICS.values()
    }
    words = kinds((TicketServerError,))
    return Emitted(
        labels,
        {
            "error_type": words | {"", str(INTERNAL_ERROR), "cancelled", "deadline", "too_large"},
            "kind": words,
            "status": {str(status.value) for status in HTTPStatus},
            "mcp_method_name": {*SPEC_CLIENT_METHODS, OTHER},
            "limit": {limit for limit, *_ in LIMITS},
            "reason": set(re.findall(r'(?:return|reason =|if|else) "(\w+)"', getsource(event_stream))),
            "le": {*_bounds(BOUNDS_S), "+Inf"},
        },
    )


def _bounds(seconds: Iterable[float]) -> Iterable[str]:
    """Return upper bounds as `GET /metrics` writes them, and as OpenTelemetry does."""
    return (form for bound in seconds for form in (str(bound), f"{bound:g}"))
