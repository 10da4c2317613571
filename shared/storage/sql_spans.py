"""Records the statements of a program as spans of OpenTelemetry: their text with its placeholders, never their values.

Imported only where OpenTelemetry is configured (`observability`).
Source: OpenTelemetry, semantic conventions for database client spans.
"""

import re
from typing import Any, Final

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

LONGEST_TEXT: Final = 2_000
"""Characters of a statement that are recorded."""
_COLLECTION: Final = re.compile(r"\b(?:from|into|update|join)\s+\"?([a-z_][a-z0-9_]*)", re.IGNORECASE)
_OPERATION: Final = re.compile(r"\s*([a-z]+)", re.IGNORECASE)
_LITERAL: Final = re.compile(r"'(?:[^']|'')*'")


class StatementSpans:
    """Listens to every engine of this process.

    Args:
        tracer: records the spans, each below the current one.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def listen(self) -> None:
        """Begin."""
        event.listen(Engine, "before_cursor_execute", self._begin)
        event.listen(Engine, "after_cursor_execute", self._end)
        event.listen(Engine, "handle_error", self._fail)

    def ignore(self) -> None:
        """End."""
        event.remove(Engine, "before_cursor_execute", self._begin)
        event.remove(Engine, "after_cursor_execute", self._end)
        event.remove(Engine, "handle_error", self._fail)

    def _begin(self, connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        operation = ((found := _OPERATION.match(statement)) and found[1].upper()) or "OTHER"
        about = {"db.system.name": connection.dialect.name, "db.operation.name": operation}
        about["db.query.text"] = _LITERAL.sub("?", statement)[:LONGEST_TEXT]
        name = operation
        if (collection := _COLLECTION.search(statement)) is not None:
            about["db.collection.name"] = collection[1]
            name = f"{operation} {collection[1]}"
        context.ticket_server_span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=about)

    def _end(self, _connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
        span = getattr(context, "ticket_server_span", None)
        if span is not None:
            span.end()

    def _fail(self, failed: ExceptionContext) -> None:
        span = getattr(failed.execution_context, "ticket_server_span", None)
        if span is not None:
            span.set_attribute("error.type", type(failed.original_exception).__name__)
            span.set_status(Status(StatusCode.ERROR))
            span.end()
