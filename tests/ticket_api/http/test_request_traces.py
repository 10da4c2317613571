"""Lines of the ticket API belong to the trace of who calls it, whether or not anything is recorded."""

from typing import Final

import pytest
from starlette.types import Message, Receive, Scope, Send

from shared.telemetry import LogContext, get_logger
from shared.trace_context import SPAN, TRACE
from tests.captured_logs import capture_logs
from ticket_api.http.request_traces import RequestTraces

TRACE_ID: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT: Final = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    get_logger("ticket_api").info("happened")


async def serve(*headers: tuple[bytes, bytes]) -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    await RequestTraces(application)(scope, receive, send)


@pytest.mark.parametrize("name", [b"traceparent", b"x-cloud-trace-context"])
async def test_a_line_has_the_trace_of_its_request(name: bytes) -> None:
    value = PARENT if name == b"traceparent" else f"{TRACE_ID}/{int('00f067aa0ba902b7', 16)};o=1"
    with capture_logs() as logs:
        await serve((name, value.encode()))

    assert (logs[0][TRACE], logs[0][SPAN]) == (TRACE_ID, "00f067aa0ba902b7")


async def test_a_request_without_one_has_a_trace_of_its_own() -> None:
    with capture_logs() as logs:
        await serve()
        await serve((b"traceparent", b"nonsense"))

    first, second = (line[TRACE] for line in logs)
    assert len(first) == len(second) == 32
    assert first != second


async def test_embedded_the_trace_around_it_stays() -> None:
    with capture_logs() as logs, LogContext(**{TRACE: TRACE_ID}):
        await serve((b"traceparent", PARENT.replace(TRACE_ID, "1" * 32).encode()))

    assert logs[0][TRACE] == TRACE_ID
