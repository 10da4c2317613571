"""How collectors and Prometheus name a metric of OpenTelemetry.

Source: opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics; package `prometheus` of
open-telemetry/opentelemetry-collector-contrib/pkg/translator, which googlemanagedprometheus of Google uses, too.
"""

import re
from types import MappingProxyType
from typing import Final

UNITS: Final = MappingProxyType({"s": "seconds", "ms": "milliseconds", "By": "bytes", "1": ""})


def prometheus_name(name: str, unit: str, kind: str) -> str:
    """Return the name that a metric has in Prometheus.

    Args:
        name: its name in OpenTelemetry.
        unit: its unit there; what stands in braces is no part of a name.
        kind: counter, gauge or histogram.
    """
    words = [word for word in re.split(r"[^a-zA-Z0-9:]+", name) if word]
    plain = re.sub(r"\{[^}]*\}", "", unit)
    suffix = UNITS[plain] if plain else ""
    if suffix and suffix not in words:
        words.append(suffix)
    if kind == "counter":
        words = [word for word in words if word != "total"] + ["total"]
    if kind == "gauge" and plain == "1":
        words = [word for word in words if word != "ratio"] + ["ratio"]
    return "_".join(words)


def prometheus_label(name: str) -> str:
    """Return the name that an attribute has in Prometheus."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)
