"""S8: what goes on while Valkey is away, and when it is back: with its data, or empty."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.kills import kills
from tests.transport.dispatch.test_dispatcher import call
from tests.transport.serving import Bench, until
from tests.transport.sessions.valkey.test_client import operator
from tests.transport.sse_client import SseClient, open_stream
from tests.transport.test_many_instances import AGAIN, ME, client_of, instances, post_to
from tests.valkey import ValkeyServer
from transport.sessions.valkey import broker
from transport.sessions.valkey.calls import Calls

pytestmark = pytest.mark.usefixtures("patience", "many_pings")


async def away(valkey: ValkeyServer, *seen_by: Bench) -> None:
    """End the server; return once every instance has noticed."""
    await asyncio.to_thread(valkey.kill)
    await until(lambda: not any(at.transport.is_up for at in seen_by))


async def back(valkey: ValkeyServer, *seen_by: Bench, empty: bool = False) -> None:
    """Start it again; return once every instance has noticed."""
    if empty:
        valkey.wipe()
    await asyncio.to_thread(valkey.start)
    await until(lambda: all(at.transport.is_up for at in seen_by))


@asynccontextmanager
async def working(at: Bench) -> AsyncGenerator[SseClient]:
    """A client with an initialized session."""
    async with client_of(at) as client, open_stream(client):
        await client.initialize()
        yield client


@kills(
    "transport/sessions/valkey/broker.py", "wait_s = OWN_STREAM_S if own_stream else SHARED_STREAM_S", "wait_s = 60.0"
)
@pytest.mark.parametrize("at_the_reader", [True, False])
async def test_a_call_waits_and_is_refused_without_running(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch, *, at_the_reader: bool
) -> None:
    """A paused server accepts connections, and may carry out later what it was sent."""
    is_withdrawn, withdraw = asyncio.Event(), Calls._withdraw

    async def noted(calls: Calls, *of: Any) -> bool:
        is_done = await withdraw(calls, *of)
        is_withdrawn.set()
        return is_done

    monkeypatch.setattr(Calls, "_withdraw", noted)
    async with instances(valkey.url) as (a, b), working(a) as client:
        await asyncio.to_thread(valkey.pause)
        async with client_of(a if at_the_reader else b) as other:
            with monkeypatch.context() as soon:
                soon.setattr(broker, "SHARED_STREAM_S", 1.0)
                refused = await other.http.post(client.endpoint, json=call("x", "write", gate="g"), headers=ME)
        await asyncio.to_thread(valkey.resume)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["error"]["data"]["kind"] == "broker_unavailable"
        await until(lambda: a.transport.is_up and b.transport.is_up)
        await until(is_withdrawn.is_set)  # a repeat before then would join what is withdrawn
        assert (a.gates.ran["g"], b.gates.ran["g"]) == (0, 0)
        assert await post_to(b, client, call("x", "write", gate="g")) == 202
        b.gates.open["g"].set()
        assert (await client.response("x"))["result"]["isError"] is False
    assert (a.gates.ran["g"], b.gates.ran["g"]) == (0, 1)


async def test_a_short_outage_is_waited_out(valkey: ValkeyServer) -> None:
    async with instances(valkey.url) as (a, b), working(a) as client:
        await away(valkey, a, b)
        waiting = asyncio.create_task(post_to(b, client, call("x", "echo", text="x")))
        await back(valkey, a, b)
        assert await waiting == 202
        assert (await client.response("x"))["result"]["isError"] is False


@pytest.mark.parametrize("kinds", [["normal"], ["pubsub"], ["normal", "pubsub"]], ids=["calls", "messages", "all"])
async def test_calls_go_on_over_connections_that_the_server_closed(valkey: ValkeyServer, kinds: list[str]) -> None:
    """Closed under a call, then while idle: redis-py would hand out a connection that is closed (case D27)."""

    async def close() -> None:
        for kind in kinds:
            await say("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

    async with instances(valkey.url) as (a, b), working(a) as client, operator(valkey) as say:
        await post_to(b, client, call("x", "write", gate="g"))
        await b.gates.reached["g"].wait()
        await close()
        b.gates.open["g"].set()
        assert (await client.response("x"))["result"]["isError"] is False
        await close()
        assert await post_to(b, client, call("y", "echo", text="y")) == 202
        assert (await client.response("y"))["result"]["isError"] is False
        assert not client.ended.is_set()
    assert (a.gates.ran["g"], b.gates.ran["g"]) == (0, 1)


@kills(
    "transport/sessions/valkey/calls.py",
    "self._instance.outbox.add(partial(self._finish_late",
    "repr(partial(self._finish_late",
)
async def test_an_answer_from_elsewhere_comes_once_the_broker_is_back(valkey: ValkeyServer) -> None:
    async with instances(valkey.url) as (a, b), working(a) as client:
        await post_to(b, client, call("x", "write", gate="g"))
        await b.gates.reached["g"].wait()
        await away(valkey, a, b)
        b.gates.open["g"].set()
        await until(lambda: b.counter.total("mcp_requests"))  # it has its answer, and nowhere to put it
        await back(valkey, a, b)
        assert (await client.response("x"))["result"]["isError"] is False
        assert not client.ended.is_set()


async def test_who_comes_first_is_refused_and_who_comes_again_is_kept_waiting(valkey: ValkeyServer) -> None:
    async with instances(valkey.url, 1) as (a,), client_of(a) as client:
        async with open_stream(client):
            await client.initialize()
        await away(valkey, a)
        refused = await client.http.get("/sse", headers=ME)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")

        async def come_again() -> str:
            async with open_stream(client, AGAIN):
                return client.endpoint

        waiting = asyncio.create_task(come_again())
        await client.until(lambda: client.comments)
        await back(valkey, a)
        assert await waiting == client.endpoints[0]


async def test_who_comes_again_is_asked_who_it_is_only_when_the_answer_can_be_heard(valkey: ValkeyServer) -> None:
    async with instances(valkey.url) as (a, b), client_of(a) as client:
        async with open_stream(client):
            await client.initialize()
            await client.post(call("x", "read", gate="g"))
            await a.gates.reached["g"].wait()
        await away(valkey, a, b)
        a.gates.open["g"].set()
        client.received.clear()

        async def come_again() -> None:
            async with open_stream(client, AGAIN):
                await client.response("x")

        waiting = asyncio.create_task(come_again())
        await client.until(lambda: client.comments >= 4)  # as long as it may take to recognise a client
        assert client.received == []
        await back(valkey, a, b)
        await waiting
        assert len(set(client.endpoints)) == 1


async def test_a_response_that_finds_no_broker_comes_once_it_is_back(valkey: ValkeyServer) -> None:
    async with instances(valkey.url) as (a, b), working(a) as client:
        await client.post(call("x", "write", gate="g"))
        await a.gates.reached["g"].wait()
        await asyncio.to_thread(valkey.pause)
        a.gates.open["g"].set()
        await until(lambda: a.counter.total("mcp_requests", method="tools/call"))
        await asyncio.to_thread(valkey.resume)
        assert (await client.response("x"))["result"]["isError"] is False
    assert (a.gates.ran["g"], b.gates.ran["g"]) == (1, 0)


@kills("transport/sessions/valkey/local_streams.py", "if must_restore:", "if False:")
async def test_an_empty_broker_costs_attached_sessions_nothing_and_detached_ones_everything(
    valkey: ValkeyServer,
) -> None:
    async with instances(valkey.url) as (a, b), working(a) as client:
        async with working(b) as left:
            pass
        await client.call("echo", text="before")
        before = client.last_event_id
        await away(valkey, a, b)
        await back(valkey, a, b, empty=True)
        assert await post_to(b, client, call("x", "which_client")) == 202
        assert (await client.response("x"))["result"]["content"][0]["text"] == "test"
        assert not client.ended.is_set()
        assert number(client.last_event_id) > number(before)
        assert await post_to(a, left, call("x", "echo", text="x")) == 404
        async with working(b) as new:
            assert (await new.call("echo", text="new"))["isError"] is False


def number(event_id: str | None) -> int:
    assert event_id is not None
    return int(event_id.rpartition(":")[2])
