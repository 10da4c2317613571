"""Sessions on several instances that share a Valkey: any takes streams, requests, responses, cancellations."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest
import redis

from tests.kills import kills
from tests.transport.dispatch.test_dispatcher import call, cancelled, question
from tests.transport.serving import Bench, bench, until
from tests.transport.sse_client import SseClient, initialize_params, open_stream
from transport.sessions.session import Limits
from transport.sessions.valkey import broker
from transport.sessions.valkey.broker import ValkeyBroker

ME, YOU = {"x-api-key": "key-me"}, {"x-api-key": "key-you"}
AGAIN = {"mcp-protocol-version": "2025-11-25"}

pytestmark = pytest.mark.usefixtures("patience")


@asynccontextmanager
async def instances(
    url: str, number: int = 2, more: Mapping[str, Any] | None = None, **limits: Any
) -> AsyncGenerator[list[Bench]]:
    """Serve on several instances that share the sessions of this test."""
    prefix = f"{{{secrets.token_hex(4)}}}:"
    async with AsyncExitStack() as stack:
        served = [
            await stack.enter_async_context(
                bench(broker=ValkeyBroker(url, limits=Limits(**limits), prefix=prefix), more=more, **limits)
            )
            for _ in range(number)
        ]
        yield served


@asynccontextmanager
async def client_of(at: Bench, headers: dict[str, str] = ME) -> AsyncGenerator[SseClient]:
    async with httpx2.AsyncClient(base_url=at.url, timeout=20) as http:
        yield SseClient(http, headers)


async def post_to(at: Bench, client: SseClient, message: Any) -> int:
    """Post one message to another instance than the client's."""
    async with httpx2.AsyncClient(base_url=at.url, timeout=20) as http:
        return (await http.post(client.endpoint, json=message, headers=client.headers)).status_code


async def test_a_post_runs_where_it_lands_and_its_answer_reaches_the_stream(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), client_of(a) as client, open_stream(client):
        await client.initialize()
        assert await post_to(b, client, call("x", "which_client")) == 202
        assert (await client.response("x"))["result"]["content"][0]["text"] == initialize_params()["clientInfo"]["name"]
    assert (a.gates.ran["echo"], b.gates.ran["echo"]) == (0, 0)


async def test_a_handshake_may_be_spread_over_instances(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), client_of(a) as client, open_stream(client):
        opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize_params()}
        assert await post_to(b, client, opening) == 202
        assert (await client.response(1))["result"]["protocolVersion"] == "2025-11-25"
        assert await post_to(a, client, {"jsonrpc": "2.0", "method": "notifications/initialized"}) == 202
        assert await post_to(b, client, call("x", "echo", text="x")) == 202
        assert (await client.response("x"))["result"]["isError"] is False


@kills("transport/sessions/valkey/lua/claim.lua", "statuses[index] = JOINED", "statuses[index] = NEW")
async def test_the_same_request_on_two_instances_at_once_runs_once(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), client_of(a) as client, open_stream(client):
        await client.initialize()
        both = await asyncio.gather(*(post_to(at, client, call("x", "write", gate="g")) for at in (a, b)))
        assert both == [202, 202]
        await until(lambda: a.gates.ran["g"] + b.gates.ran["g"])
        ran = a if a.gates.ran["g"] else b
        await ran.gates.reached["g"].wait()
        ran.gates.open["g"].set()
        await client.response("x")
        assert a.gates.ran["g"] + b.gates.ran["g"] == 1
        for at in (a, b):
            at.gates.open["g"].set()
        assert await post_to(b, client, call("x", "write", gate="g")) == 202
        await client.until(lambda: len(client.responses("x")) == 2)
    assert a.gates.ran["g"] + b.gates.ran["g"] == 2, "once it was answered its id is free again"


@kills("transport/dispatch/dispatcher.py", "return call is not None", "return True")
async def test_a_cancel_reaches_the_instance_that_runs_the_call(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), client_of(a) as client, open_stream(client):
        await client.initialize()
        await post_to(b, client, call("x", "write", gate="g"))
        await b.gates.reached["g"].wait()
        assert await post_to(a, client, cancelled("x")) == 202
        await asyncio.wait_for(b.gates.cancelled["g"].wait(), 10)
        await client.call("echo", text="later")
        assert not client.responses("x")


@kills("transport/sessions/valkey/broker.py", "                self._ended(rest.decode())", "                pass")
async def test_the_end_of_a_session_cancels_its_calls_on_every_instance(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), client_of(a) as client, open_stream(client):
        await client.initialize()
        await post_to(a, client, call("x", "write", gate="here"))
        await post_to(b, client, call("y", "write", gate="elsewhere"))
        await a.gates.reached["here"].wait()
        await b.gates.reached["elsewhere"].wait()
        await a.transport._broker.end(client.endpoint.partition("session_id=")[2])
        async with asyncio.timeout(10):
            await a.gates.cancelled["here"].wait()
            await b.gates.cancelled["elsewhere"].wait()
            await client.ended.wait()


async def test_a_question_and_its_answer_cross_instances(broker_url: str) -> None:
    async with instances(broker_url, 3) as (a, b, c), client_of(a) as client, open_stream(client):
        await client.request("initialize", initialize_params() | {"capabilities": {"elicitation": {}}})
        await client.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        await post_to(b, client, call("x", "ask"))
        asked = await question(client)
        accepted = {"action": "accept", "content": {"colour": "blue"}}
        assert await post_to(c, client, {"jsonrpc": "2.0", "id": asked["id"], "result": accepted}) == 202
        assert '"blue"' in (await client.response("x"))["result"]["content"][0]["text"]


async def test_a_request_next_to_a_response_without_a_waiter_still_runs(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "PUBLISH_S", 0.1)
    server = redis.Redis.from_url(broker_url)
    try:
        async with instances(broker_url, 1) as (a,), client_of(a) as client, open_stream(client):
            await client.initialize("2025-03-26")
            deaf = "deadbeef"  # an instance that is alive but does not listen now
            (leases,) = [key for key in server.keys("*:i") if server.zscore(key, own_name(a)) is not None]
            server.zadd(leases, {deaf: (time.time() + 60) * 1000})
            response = {"jsonrpc": "2.0", "id": f"{deaf}:1", "result": {}}
            assert (await client.post(response)).status_code == 503
            assert (await client.post([response, call("x", "echo", text="x")])).status_code == 202
            assert (await client.response("x"))["result"]["isError"] is False
    finally:
        server.close()


def own_name(at: Bench) -> str:
    return at.transport._broker.instance


async def test_progress_of_one_call_stays_in_order_across_instances(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), client_of(a) as client, open_stream(client):
        await client.initialize()
        await post_to(b, client, call("x", "report", {"progressToken": "p"}, steps=20))
        await client.response("x")
        said = [one for one in client.received if one.get("method") == "notifications/progress" or one.get("id") == "x"]
        assert [one["params"]["progress"] for one in said[:-1]] == list(range(20))
        assert said[-1]["id"] == "x"


async def test_a_client_goes_on_at_another_instance_with_its_event_id(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), client_of(a) as client:
        async with open_stream(client):
            await client.initialize()
            await client.post(call("x", "read", gate="g"))
            await a.gates.reached["g"].wait()
        seen = client.last_event_id
        assert seen is not None
        a.gates.open["g"].set()
        async with client_of(b) as again, open_stream(again, {"last-event-id": seen}):
            assert again.endpoint == client.endpoints[0]
            assert (await again.response("x"))["result"]["isError"] is False
            assert len(again.received) == 1


@pytest.mark.usefixtures("many_pings")
async def test_a_client_is_recognised_by_another_instance_than_the_one_it_answers(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), client_of(a) as client:
        async with open_stream(client):
            await client.initialize()
            await client.call("echo", text="x")
        async with client_of(b) as elsewhere, elsewhere.http.stream("GET", "/sse", headers=ME | AGAIN) as response:
            lines = response.aiter_lines()
            ping = await until_line(lines, "ping")
            said = {"jsonrpc": "2.0", "id": ping.split('"id":"')[1].split('"')[0], "result": {}}
            assert (await client.post(said)).status_code == 202  # at its previous instance
            assert client.endpoint in await until_line(lines, "session_id")


async def until_line(lines: Any, text: str) -> str:
    async with asyncio.timeout(10):
        async for line in lines:
            if text in line:
                return str(line)
    raise AssertionError(f"the stream ended without {text}")


async def test_a_new_stream_elsewhere_ends_the_old_one(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), client_of(a) as client, open_stream(client):
        await client.initialize()
        await client.call("echo", text="x")
        assert client.last_event_id is not None
        async with client_of(b) as again, open_stream(again, {"last-event-id": client.last_event_id}):
            await asyncio.wait_for(client.ended.wait(), 10)


async def test_another_principal_meets_the_same_404_on_every_instance(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), client_of(a) as client, open_stream(client):
        await client.initialize()
        for at in (a, b):
            async with httpx2.AsyncClient(base_url=at.url) as http:
                foreign = await http.post(client.endpoint, json=call("x", "echo", text="x"), headers=YOU)
                unknown = f"/messages?session_id={'x' * 43}"
                no_principal = await http.post(unknown, json=call("x", "echo", text="x"), headers=YOU)
                assert (foreign.status_code, foreign.content) == (404, no_principal.content)


async def test_a_drain_ends_streams_at_once_and_the_answer_waits_at_another_instance(broker_url: str) -> None:
    async with instances(broker_url, drain_s=30.0) as (a, b), client_of(a) as client:
        async with open_stream(client):
            await client.initialize()
            await client.post(call("x", "read", gate="g"))
            await a.gates.reached["g"].wait()
            drain = asyncio.create_task(a.transport.drain())
            await asyncio.wait_for(client.ended.wait(), 10)
        seen = client.last_event_id
        assert seen is not None
        async with client_of(b) as again, open_stream(again, {"last-event-id": seen}):
            a.gates.open["g"].set()
            assert (await again.response("x"))["result"]["isError"] is False
        await drain


async def test_connections_to_valkey_do_not_grow_with_sessions(broker_url: str) -> None:
    server = redis.Redis.from_url(broker_url)
    try:
        before = len(server.client_list())
        async with instances(broker_url) as (a, b), AsyncExitStack() as stack:
            for number in range(30):
                client = await stack.enter_async_context(client_of((a, b)[number % 2]))
                await stack.enter_async_context(open_stream(client))
                await client.initialize()
            assert len(server.client_list()) - before <= 2 * 9
    finally:
        server.close()
