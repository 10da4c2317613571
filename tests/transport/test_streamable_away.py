"""Streamable HTTP while Valkey is away, and after it returns, with its data or empty."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.kills import kills
from tests.transport.http_client import ENVELOPE, call, http_client, opening, text_of
from tests.transport.serving import Bench, until
from tests.transport.sessions.valkey.test_away import away, back
from tests.transport.sessions.valkey.test_dead_instances import broker_of
from tests.transport.test_many_instances import ME, instances
from tests.transport.test_streamable_http_stateless import routing
from tests.valkey import ValkeyServer
from transport.http import event_stream
from transport.sessions.valkey import broker, instance, lease


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what the server waits between its attempts, and for sessions that may be restored."""
    monkeypatch.setattr(event_stream, "_TRY_AGAIN_S", 0.1)
    for module in (instance, lease):
        monkeypatch.setattr(module, "RECOVERY_S", 1.0)


@asynccontextmanager
async def outage(valkey: ValkeyServer, *seen_by: Bench, empty: bool = False) -> AsyncGenerator[None]:
    """End Valkey for the time of the block. Only inside of it requests are given up after less than a client waits."""
    await away(valkey, *seen_by)
    with pytest.MonkeyPatch.context() as inside:
        inside.setattr(broker, "OWN_STREAM_S", 0.5)
        for at in seen_by:
            inside.setattr(broker_of(at)._instance.client, "_wait_s", 0.5)
        yield
    await back(valkey, *seen_by, empty=empty)


async def test_what_cannot_be_recorded_waits_and_is_refused_without_running(valkey: ValkeyServer) -> None:
    async with instances(valkey.url) as (a, b), http_client(a.url, ME) as client, client.listen() as standalone:
        await standalone.until(lambda: standalone.retry_ms)
        async with outage(valkey, a, b):
            refused = [
                await client.post(call("x", "write", gate="g")),
                await client.at(b.url).post(call("x", "write", gate="g")),
                await client.at(b.url).get(),
                await client.at(b.url).delete(),
                await client.at(b.url).who({"mcp-session-id": ""}).post(opening()),
            ]
            assert {(one.status, one.kind, one.headers["retry-after"]) for one in refused} == {
                (503, "broker_unavailable", "1")
            }
        a.gates.open["g"].set()
        assert await client.call("x", "write", gate="g") == "g"
    assert (a.gates.ran["g"], b.gates.ran["g"]) == (1, 0)


async def test_a_short_outage_is_waited_out(valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "OWN_STREAM_S", 30.0)
    async with instances(valkey.url, 1) as (a,), http_client(a.url, ME) as client:
        await away(valkey, a)
        waiting = asyncio.create_task(client.call("x", "echo", text="x"))
        await back(valkey, a)
        assert await waiting == "x"


async def test_a_response_that_finds_no_broker_comes_on_its_stream_once_it_is_back(valkey: ValkeyServer) -> None:
    async with instances(valkey.url) as (a, b), http_client(a.url, ME) as client:
        async with client.stream(call("x", "write", gate="g")) as response:
            await a.gates.reached["g"].wait()
            async with outage(valkey, a, b):
                a.gates.open["g"].set()
                await until(lambda: a.counter.total("mcp_requests", method="tools/call"))
            await response.end()
        assert text_of(response.responses("x")[0]) == "g"
        assert (await client.at(b.url).get(response.primed[0])).received == response.received


@kills("transport/streamable_http.py", "if seen is None:", "if True:")
async def test_a_client_that_resumes_waits_and_is_served_when_the_broker_is_back(valkey: ValkeyServer) -> None:
    async with instances(valkey.url) as (a, b), http_client(a.url, ME) as client, AsyncExitStack() as stack:
        async with client.stream(call("x", "read", gate="g")) as cut:
            await cut.until(lambda: cut.primed)
            await a.gates.reached["g"].wait()
        async with outage(valkey, a, b):
            a.gates.open["g"].set()
            rest = await stack.enter_async_context(client.at(b.url).listen(cut.last_event_id))
            assert rest.status == 200
            await rest.until(lambda: rest.comments)
        await rest.end()
        assert text_of(rest.responses("x")[0]) == "g"


async def test_a_broker_that_comes_back_empty_costs_a_held_session_nothing(valkey: ValkeyServer) -> None:
    async with (
        instances(valkey.url) as (a, b),
        http_client(a.url, ME) as held,
        http_client(a.url, ME) as left,
        held.listen() as standalone,
        held.stream(call("x", "write", gate="g")) as response,
        AsyncExitStack() as stack,
    ):
        await a.gates.reached["g"].wait()
        lost = await left.post(call("y", "echo", text="y"), accept="text/event-stream")
        async with outage(valkey, a, b, empty=True):
            waiting = await stack.enter_async_context(left.at(b.url).listen(lost.last_event_id))
            await waiting.until(lambda: waiting.comments)
        await waiting.end()
        assert waiting.received == []
        assert (await left.at(b.url).get(lost.last_event_id)).status == 404
        a.gates.open["g"].set()
        await response.end()
        assert text_of(response.responses("x")[0]) == "g"
        assert await held.at(b.url).call("z", "which_client") == "test"
        assert not standalone.ended.is_set()


async def test_requests_of_2026_07_28_need_no_broker(valkey: ValkeyServer) -> None:
    async with instances(valkey.url, 1) as (a,), http_client(a.url, ME, None) as client:
        await away(valkey, a)
        message = call(1, "report", ENVELOPE | {"progressToken": "p"}, steps=1)
        response = await client.post(message, **routing(message))
        assert text_of(response.received[-1]) == "done"
