"""Where a request belongs in a trace: read from what its client says, or made up, and passed on. Pure.

Of what a client says only ids of the right form are used: `tracestate` and `baggage` are texts of its own, so they are
neither logged nor passed on.
Source: W3C Trace Context, section 3.2 (`traceparent`); Google Cloud Trace (`x-cloud-trace-context`); MCP SEP-414
(`_meta`); OpenTelemetry, semantic conventions for MCP (context propagation).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from random import getrandbits
from typing import Final, NamedTuple

TRACE: Final = "logging.googleapis.com/trace"
SPAN: Final = "logging.googleapis.com/spanId"
SAMPLED: Final = "logging.googleapis.com/trace_sampled"
"""The fields of a log line that Google Cloud Logging links to Cloud Trace; it recommends the bare id of a trace."""
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_CLOUD_TRACE: Final = re.compile(r"([0-9a-f]{32})(?:/([0-9]{0,20})(?:;o=([0-9]).*)?)?", re.IGNORECASE)
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16


_IDS: Final = re.compile(r"[A-Za-z0-9._-]{0,50}")


def path_of_ids(path: str) -> str:
    """Return the path of an address for a line or a span: without the query, and only segments that look like ids."""
    segments = path.partition("?")[0].split("/")
    return "/".join(one if _IDS.fullmatch(one) else "…" for one in segments)


class TraceContext(NamedTuple):
    """The place of a request in a trace."""

    trace: str
    """32 hexadecimal digits; empty for none."""
    span: str
    """16 hexadecimal digits; may be empty."""
    is_sampled: bool
    """Whether who calls records this trace."""

    @property
    def traceparent(self) -> str:
        """The header of W3C that passes this place on; it has a trace."""
        span = self.span or self.trace[:16]  # an id that no span has: here it is only one for all that follows
        return f"00-{self.trace}-{span}-{'01' if self.is_sampled else '00'}"


UNTRACED: Final = TraceContext("", "", False)


def trace_of(headers: Mapping[str, str], params: Mapping[str, object] | None = None) -> TraceContext:
    """Return the trace that a request belongs to, as its `_meta` or else its headers say; an empty one if neither does.

    `_meta` comes first because it names the operation that the client itself traces: the headers are those of the last
    hop, and front ends such as Cloud Run's give every request a trace of its own there.

    Args:
        headers: of the HTTP request, by lower-case name.
        params: of the MCP request.
    """
    meta = params.get("_meta") if params else None
    if meta is None and "traceparent" not in headers and "x-cloud-trace-context" not in headers:
        return UNTRACED
    said = meta.get("traceparent") if isinstance(meta, dict) else None
    in_envelope = said if isinstance(said, str) else None
    return _trace(in_envelope, headers.get("traceparent"), headers.get("x-cloud-trace-context"))


def new_trace() -> str:
    """Return the id of a trace that is recorded nowhere, so that the lines of a request can be found."""
    return getrandbits(128).to_bytes(16).hex()


def trace_fields(place: TraceContext) -> dict[str, object]:
    """Return the fields of the lines at `place`: those that say something."""
    fields: dict[str, object] = {TRACE: place.trace or new_trace()}
    if place.span:
        fields[SPAN] = place.span
    if place.is_sampled:
        fields[SAMPLED] = True
    return fields


@lru_cache(maxsize=64)  # asked for by the log line and by the tool of a request
def _trace(in_envelope: str | None, parent: str | None, of_cloud: str | None) -> TraceContext:
    for given in (in_envelope, parent):
        found = _TRACEPARENT.fullmatch(given.strip()) if given is not None else None
        if found is not None and found[1] != _NO_TRACE and found[2] != _NO_SPAN:
            return TraceContext(found[1], found[2], bool(int(found[3], 16) & 1))
    found = _CLOUD_TRACE.fullmatch(of_cloud.strip()) if of_cloud is not None else None
    if found is None or found[1] == _NO_TRACE:
        return UNTRACED
    span = f"{int(found[2]):016x}"[-16:] if found[2] else ""
    return TraceContext(found[1].lower(), "" if span == _NO_SPAN else span, found[3] == "1")
