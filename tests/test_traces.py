"""One trace from a client through the MCP server and the ticket API to its SQL, as a collector receives it."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import pytest

from shared.observability import STOP_S
from shared.trace_context import SPAN, TRACE
from tests.otlp import Collector, Span, otlp_receiver
from tests.processes import API_KEY, KEY, TICKET_API, Process, free_port, http_door, sqlite, started
from tests.transport.http_client import ENVELOPE, call, http_client
from tests.transport.sse_client import sse_session
from tests.valkey import ValkeyServer

AS_CLIENT: Final = {"x-api-key": KEY}
READ: Final = "get_ticket_detail"
PARENT: Final = "00f067aa0ba902b7"
GOOGLES_PARENT: Final = f"{7:016x}"
WIRES: Final = ("sse", "session", "modern", "alone")


def traceparent(trace: str, flags: str = "01") -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{PARENT}-{flags}"}


def exporting_to(collector: Collector) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}


class Traced:
    """Both programs, each a process that exports to `collector`."""

    def __init__(self, collector: Collector, address: str, mcp: Process, api: Process) -> None:
        self.collector, self.address, self.mcp, self.api = collector, address, mcp, api

    async def call(self, wire: str, headers: dict[str, str], meta: dict[str, str] | None = None) -> None:
        """Read a ticket on `wire`."""
        sent = {**AS_CLIENT, **headers}
        if wire == "sse":
            async with sse_session(self.address, sent) as client:
                message = call("c", READ, ticketId="TCK-0001", **({} if meta is None else {"meta": meta}))
                await client.post(message)
                await client.response("c")
        elif wire == "session":
            async with http_client(self.address, sent) as session:
                await session.post(call("c", READ, meta=meta, ticketId="TCK-0001"))
        else:
            envelope = ENVELOPE if wire == "modern" else {}
            async with http_client(self.address, sent, None) as client:
                modern = {"mcp-method": "tools/call", "mcp-name": READ, "mcp-protocol-version": "2026-07-28"}
                message = call("c", READ, meta={**envelope, **(meta or {})}, ticketId="TCK-0001")
                headers = modern if wire == "modern" else {"mcp-protocol-version": "2025-11-25"}
                answer = await client.who(headers).post(message)
                assert answer.status == 200, answer.body

    async def spans(self, trace: str) -> list[Span]:
        """Return the spans of a trace once the call, a statement, and all between them have arrived."""

        def is_whole() -> bool:
            spans = self.collector.of(trace)
            ids = {one.span for one in spans} | {PARENT, GOOGLES_PARENT, ""}
            has_statement = any("db.query.text" in one.attributes for one in spans)
            has_call = any(one.name == f"tools/call {READ}" for one in spans)
            return has_call and has_statement and all(one.parent in ids for one in spans)

        await self.collector.until(is_whole)
        return self.collector.of(trace)


@contextmanager
def two_programs(folder: Path, *, level: str = "INFO", **settings: str) -> Iterator[tuple[str, Process, Process]]:
    api_settings = {"PORT": "0", "MCP_API_KEY": API_KEY, "MCP_DATABASE_URL": sqlite(folder)}
    with (
        started(TICKET_API, **api_settings, **settings) as (api_address, api),
        http_door(folder, MCP_API_BASE_URL=api_address, MCP_API_KEY=API_KEY, MCP_LOG_LEVEL=level, **settings) as (
            address,
            mcp,
        ),
    ):
        yield address, mcp, api


@asynccontextmanager
async def traced(folder: Path) -> AsyncGenerator[Traced]:
    with otlp_receiver() as collector, two_programs(folder, **exporting_to(collector)) as (address, mcp, api):
        yield Traced(collector, address, mcp, api)


def lines_of(process: Process) -> list[dict[str, Any]]:
    return [json.loads(line) for line in process.said_so_far().splitlines() if line.startswith("{")]


def check_parents(spans: list[Span], parent: str) -> None:
    """Each SQL statement is below a request to the ticket API, and that below the call, which is below its client."""
    by_id = {one.span: one for one in spans}
    [mcp] = [one for one in spans if one.attributes.get("mcp.method.name") == "tools/call"]
    assert (mcp.parent, mcp.kind, mcp.service) == (parent, "SERVER", "ticket-server")
    statements = [one for one in spans if "db.query.text" in one.attributes]
    assert statements
    for statement in statements:
        served = by_id[statement.parent]
        assert (served.kind, served.service) == ("SERVER", "ticket-api")
        asked = by_id[served.parent]
        assert (asked.kind, asked.service) == ("CLIENT", "ticket-server")
        assert by_id[asked.parent] is mcp


async def test_a_trace_goes_from_the_client_to_the_sql_on_every_wire(tmp_path: Path) -> None:
    async with traced(tmp_path) as at:
        for wire in WIRES:
            by_header, by_meta = token_hex(16), token_hex(16)
            await at.call(wire, traceparent(by_header))
            await at.call(wire, traceparent(token_hex(16)), traceparent(by_meta))
            for trace in (by_header, by_meta):
                spans = await at.spans(trace)
                check_parents(spans, PARENT)
                [mcp] = [one for one in spans if one.name == f"tools/call {READ}"]
                assert mcp.attributes["gen_ai.tool.name"] == READ
                assert mcp.attributes["gen_ai.operation.name"] == "execute_tool"
                assert mcp.attributes["mcp.protocol.version"] in {"2025-11-25", "2026-07-28"}
                assert "error.type" not in mcp.attributes
                assert len(mcp.links) == (trace == by_meta), "the HTTP hop is linked where it is in another trace"
                [line] = [
                    one for one in lines_of(at.mcp) if one["message"] == "tool_call_finished" and one[TRACE] == trace
                ]
                assert line[SPAN] == mcp.span
                assert line["logging.googleapis.com/trace_sampled"] is True
        for statement in (one for one in at.collector.spans if "db.query.text" in one.attributes):
            assert statement.attributes["db.system.name"] == "sqlite"
            assert "TCK-0001" not in str(statement.attributes)


async def test_a_trace_that_is_not_recorded_and_none_at_all(tmp_path: Path) -> None:
    async with traced(tmp_path) as at:
        unsampled = token_hex(16)
        await at.call("session", traceparent(unsampled, "00"))
        await at.call("session", {"traceparent": "00-nonsense"})
        await at.call("session", {"x-cloud-trace-context": f"{'c' * 32}/7;o=1"})
        google = await at.spans("c" * 32)
        check_parents(google, GOOGLES_PARENT)
        calls = [one for one in lines_of(at.mcp) if one["message"] == "tool_call_finished"]
        assert at.collector.of(unsampled) == [], "its client does not record it"
        assert (calls[0][TRACE], "logging.googleapis.com/trace_sampled" in calls[0]) == (unsampled, False)
        own = await at.spans(calls[1][TRACE])
        check_parents(own, "")


async def test_without_opentelemetry_nothing_is_sent_and_the_lines_have_the_trace(tmp_path: Path) -> None:
    trace = token_hex(16)
    with otlp_receiver() as collector, two_programs(tmp_path) as (address, mcp, api):
        at = Traced(collector, address, mcp, api)
        for wire in WIRES:
            await at.call(wire, traceparent(trace))
    assert collector.requests == 0
    assert [one["message"] for one in lines_of_text(mcp.said) if one.get(TRACE) == trace].count(
        "tool_call_finished"
    ) == len(WIRES)


def lines_of_text(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


async def test_a_call_that_another_instance_serves_keeps_its_trace(tmp_path: Path) -> None:
    trace, valkey = token_hex(16), ValkeyServer(tmp_path)
    with otlp_receiver() as collector, ExitStack() as stack:
        valkey.start()
        stack.callback(valkey.kill)
        settings = {**exporting_to(collector), "MCP_BROKER_URL": valkey.url}
        doors = [stack.enter_context(http_door(tmp_path, **settings)) for _ in range(2)]
        async with http_client(doors[0][0], {**AS_CLIENT, **traceparent(trace)}) as session:
            await session.at(doors[1][0]).post(call("c", READ, ticketId="TCK-0001"))
        await collector.until(lambda: f"tools/call {READ}" in {one.name for one in collector.of(trace)})

    instances = {one.resource["service.instance.id"]: one.name for one in collector.of(trace) if one.parent == PARENT}
    assert len(instances) == 2, "initialize ran on one instance, the call on the other"


@pytest.mark.parametrize("fate", ["refuses", "hangs"])
async def test_a_dead_collector_neither_delays_the_end_nor_fills_the_log(tmp_path: Path, fate: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # connects, and never answers
        port = listener.getsockname()[1] if fate == "hangs" else free_port()
        said = await said_with_a_collector_at(port, tmp_path)
    failures = [one for one in lines_of_text(said) if one["message"] == "telemetry_export_failed"]
    assert len(failures) <= 1
    assert fate == "hangs" or failures
    assert "hunter2" not in said


async def said_with_a_collector_at(port: int, folder: Path) -> str:
    """Return what the server wrote in two seconds of calls, after it ended in time."""
    collector = f"http://user:hunter2@127.0.0.1:{port}"
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with http_door(folder, **settings) as (address, process):
        async with http_client(address, AS_CLIENT) as session:
            for number in range(20):
                await session.post(call(number, READ, ticketId="TCK-0001"))
                await asyncio.sleep(0.1)
        asked = time.monotonic()
        process.ask_to_end()
        assert await asyncio.to_thread(process.wait) == 0
        assert time.monotonic() - asked < 8.0 + STOP_S
    return process.said
