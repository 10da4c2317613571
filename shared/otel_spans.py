"""Records spans with OpenTelemetry. Imported only where that is configured (`observability`)."""

from collections.abc import Mapping

from opentelemetry import context, trace
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, Tracer

from shared.spans import SpanKind
from shared.trace_context import TraceContext


class OTelSpans:
    """Spans of one tracer."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def begin(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, str | int],
        *,
        parent: TraceContext | None = None,
        link: TraceContext | None = None,
    ) -> "_OpenSpan":
        """Do as `Spans` promises."""
        around = None if parent is None else _context_of(parent)
        links = [] if link is None else [Link(_span_context(link))]
        span = self._tracer.start_span(
            name, around, kind=trace.SpanKind[kind.value], attributes=attributes, links=links, record_exception=False
        )
        return _OpenSpan(span, trace.set_span_in_context(span, around))


class _OpenSpan:
    def __init__(self, span: trace.Span, within: context.Context) -> None:
        self._span = span
        self._token = context.attach(within)

    @property
    def context(self) -> TraceContext:
        own = self._span.get_span_context()
        return TraceContext(f"{own.trace_id:032x}", f"{own.span_id:016x}", own.trace_flags.sampled)

    def end(self, attributes: Mapping[str, str | int], *, name: str = "", error: str = "") -> None:
        self._span.set_attributes(attributes)
        if name:
            self._span.update_name(name)
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(Status(StatusCode.ERROR))  # without a description, which could repeat an argument
        self._span.end()
        context.detach(self._token)


def _context_of(parent: TraceContext) -> context.Context:
    """Return a context in which only `parent` is known, as the current span; an empty one without a trace."""
    nothing = context.Context()
    return trace.set_span_in_context(NonRecordingSpan(_span_context(parent)), nothing) if parent.trace else nothing


def _span_context(place: TraceContext) -> SpanContext:
    span = int(place.span or place.trace[:16], 16)  # Google's header may name a trace alone
    return SpanContext(int(place.trace, 16), span, is_remote=True, trace_flags=TraceFlags(place.is_sampled))
