"""Records a span for each request to a ticket API, and passes its place in the trace on.

Of the address only what looks like an id is recorded: a query has search texts.
Source: OpenTelemetry, semantic conventions for HTTP clients.
"""

from shared.spans import SpanKind, recorder
from shared.trace_context import path_of_ids
from shared.upstream.transport import ApiTransport, LostError, Received, Request

_FIRST_ERROR = 400
"""The lowest status of a response that is an error."""


class TracedTransport:
    """Carries requests through `transport`.

    Args:
        transport: what carries them.
        host: name or address of the API.
        port: its port; None for the one of its scheme.
    """

    def __init__(self, transport: ApiTransport, host: str, port: int | None) -> None:
        self._transport = transport
        self._server: dict[str, str | int] = {"server.address": host}
        if port is not None:
            self._server["server.port"] = port

    async def exchange(self, request: Request) -> Received:
        """Do as `ApiTransport` promises."""
        spans = recorder()
        if spans is None:
            return await self._transport.exchange(request)
        about = {"http.request.method": request.method, "url.path": path_of_ids(request.path), **self._server}
        span = spans.begin(request.method, SpanKind.CLIENT, about)
        result: dict[str, str | int] = {}
        error = "cancelled"
        try:
            headers = {**request.headers, "traceparent": span.context.traceparent}
            received = await self._transport.exchange(request._replace(headers=headers))
            result["http.response.status_code"] = received.status
            error = str(received.status) if received.status >= _FIRST_ERROR else ""
            return received
        except LostError as lost:
            error = str(lost)  # the class of its cause
            raise
        finally:
            span.end(result, error=error)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._transport.aclose()
