"""The seam for spans: nothing is recorded until the program is told how, and nothing of OpenTelemetry imported.

`shared.otel_spans` has what records them.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Protocol

from shared.trace_context import TraceContext


class SpanKind(Enum):
    """Which side of a request a span is of."""

    SERVER = "SERVER"
    CLIENT = "CLIENT"


class OpenSpan(Protocol):
    """A span that goes on: the current one of its task."""

    @property
    def context(self) -> TraceContext:
        """Where it is in its trace."""
        ...

    def end(self, attributes: Mapping[str, str | int], *, name: str = "", error: str = "") -> None:
        """End it, with a better name if there is one and a word for what went wrong; in the task that began it."""
        ...


class Spans(Protocol):
    """Records spans."""

    def begin(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, str | int],
        *,
        parent: TraceContext | None = None,
        link: TraceContext | None = None,
    ) -> OpenSpan:
        """Begin a span.

        Args:
            name: of few different ones.
            kind: of which side it is.
            attributes: what is known at its beginning.
            parent: what a remote caller says; None for the current span of this task.
            link: another place it is connected with.
        """
        ...


_spans: Spans | None = None


def record_with(spans: Spans | None) -> None:
    """Record the spans of this process with `spans`; None for no more."""
    global _spans  # noqa: PLW0603 - one for a process, like the output of the log
    _spans = spans


def recorder() -> Spans | None:
    """Return what records the spans of this process, if anything does."""
    return _spans
