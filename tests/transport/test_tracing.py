"""The SDK traces a message where there is a tracer provider, or a trace of its client to pass on."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from mcp.server import _otel
from mcp.server.lowlevel import Server
from mcp.shared._otel import otel_span
from opentelemetry import trace

from shared.otel_spans import OTelSpans
from shared.tracing import trace_where_needed
from tests.transport.http_client import call, http_client, text_of
from tests.transport.serving import bench, until

ME = {"x-api-key": "key-me"}
TRACED = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the spans that the SDK begins."""
    names, begin = list[str](), otel_span

    @contextmanager
    def noted(name: str, **about: Any) -> Generator[trace.Span]:
        names.append(name)
        with begin(name, **about) as span:
            yield span

    monkeypatch.setattr(_otel, "otel_span", noted)
    return names


async def test_the_sdk_traces_what_leads_somewhere_and_has_no_span_of_ours(
    spans: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        (response,) = (await client.post(call(1, "echo", text="untraced"))).received
        assert text_of(response) == "untraced"
        assert spans == []
        await client.post(call(2, "echo", meta=TRACED, text="of a traced client"))
        assert spans == ["tools/call echo"]
        monkeypatch.setattr("shared.spans._spans", OTelSpans(trace.NoOpTracer()))
        await client.post(call(3, "echo", meta=TRACED, text="traced here"))
        assert spans == ["tools/call echo"], "it has a span of ours"
        await client.post({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})
        await until(lambda: len(spans) > 1)
    assert spans[1:] == ["notifications/roots/list_changed"], "a notification has none"


def test_a_program_with_a_tracer_provider_of_its_own_keeps_all_spans_of_the_sdk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server[Any]("of a program")
    before = list(server.middleware)
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    trace_where_needed(server)
    assert server.middleware == before


def test_only_the_sdks_own_middleware_is_replaced_and_once() -> None:
    async def own(ctx: Any, call_next: Any) -> Any:
        return await call_next(ctx)

    server = Server[Any]("with middleware")
    server.middleware.append(own)
    trace_where_needed(server)
    replaced = list(server.middleware)
    trace_where_needed(server)
    assert replaced == server.middleware
    assert [type(one) is _otel.OpenTelemetryMiddleware for one in replaced] == [False, False]
    assert replaced[1] is own
