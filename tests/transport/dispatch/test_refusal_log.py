"""What is refused leaves a line as well, on every wire; a flood leaves some, and how many more there were."""

import asyncio
from typing import Any, Final

from shared.identity import Principal
from shared.json_rpc import JSONRPCRequest
from shared.rate import Rate
from shared.request_log import REQUEST_LINES
from shared.telemetry import LogContext
from shared.trace_context import TRACE
from tests.captured_logs import capture_logs
from tests.transport.http_client import MODERN, http_client
from tests.transport.serving import bench
from tests.transport.sse_client import sse_session
from tests.transport.test_streamable_http_stateless import said, tool
from transport.dispatch.context import Caller
from transport.dispatch.refusal_log import MOST, RefusalLog
from transport.rate_limit import RateLimitedError, Rates

ME: Final = {"x-api-key": "key-me"}
TRACE_ID: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACED: Final = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
MANY: Final = Rate(10_000, 10_000)
ONE: Final = Rates(read=Rate(1, 1), write=Rate(1, 1), tenant_read=MANY, tenant_write=MANY)
META: Final = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    **TRACED,
}


def of_calls(logs: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    return [
        (line["message"], line["outcome"], line["request_id"], line[TRACE], line["principal"])
        for line in logs
        if line["message"] in REQUEST_LINES and line["method"] == "tools/call"
    ]


async def test_a_call_that_is_over_its_rate_leaves_its_line_on_every_wire() -> None:
    with capture_logs() as logs:
        async with bench(more={"rates": ONE}) as at, sse_session(at.url, ME) as client:
            await client.call("echo", text="x")
            await client.call("echo", text="x")
        sse = of_calls(logs)[1:]
        logs.clear()
        async with bench(more={"rates": ONE}) as at, http_client(at.url, ME) as session:
            await session.call(7, "echo", text="x")
            await session.call(8, "echo", text="x", meta=TRACED)
        streamable = of_calls(logs)[1:]
        logs.clear()
        async with bench(more={"rates": ONE}) as at, http_client(at.url, ME, None) as alone:
            await said(alone, tool("echo", META, text="x"))
            await said(alone, tool("echo", META, text="x"))
        (_, modern) = of_calls(logs)
        assert "request_refused" not in {line["message"] for line in logs}, "one line for each request"

    [one] = sse
    assert one[:2] == ("tool_call_finished", "rate_limited")
    assert streamable == [("tool_call_finished", "rate_limited", 8, TRACE_ID, "me")]
    assert (modern[:2], modern[3:]) == (("tool_call_finished", "rate_limited"), (TRACE_ID, "me"))


class Clock:
    """A clock that stands still."""

    now = 100.5

    def __call__(self) -> float:
        return self.now


def a_call(number: int) -> JSONRPCRequest:
    return JSONRPCRequest(id=number, method="tools/call", params={"name": "x"})


async def test_of_a_flood_some_have_lines_and_the_others_are_counted() -> None:
    clock = Clock()
    refusals = RefusalLog(clock)
    me, you = Caller(Principal("me"), {}), Caller(Principal("you"), {})
    with capture_logs() as logs, LogContext(request_id="the last one"):
        for number in range(MOST + 7):
            refusals.of_request("rate_limited", a_call(number), me, "sse")
        refusals.of_request("rate_limited", a_call(1), you, "sse")
        assert len(logs) == MOST + 1, "another caller keeps its lines"
        clock.now += 1
        refusals.of_request("rate_limited", a_call(1), me, "sse")

    more = logs[-2]
    assert (more["message"], more["severity"], more["count"], more["principal"]) == (
        *("refusals_not_listed", "WARNING", 7, "me"),
    )
    assert "request_id" not in more
    assert logs[-1]["message"] == "tool_call_finished"


async def test_what_was_counted_is_written_even_if_nothing_more_comes() -> None:
    refusals = RefusalLog()
    with capture_logs() as logs:
        for _ in range(MOST + 2):
            refusals.of_http(RateLimitedError.__new__(RateLimitedError), 429, {}, None)
        async with asyncio.timeout(5):
            while logs[-1]["message"] != "refusals_not_listed":  # noqa: ASYNC110 - a timer announces nothing
                await asyncio.sleep(0.05)
    assert sum(line.get("count", 1) for line in logs) == MOST + 2
