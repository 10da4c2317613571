"""S7: calls of an instance that died are answered by another, once; and nothing stays for ever."""

import asyncio
import json
from typing import Any

import pytest
import redis

from tests.kills import kills
from tests.transport.dispatch.test_dispatcher import call
from tests.transport.serving import Bench, until
from tests.transport.sessions.histories import END_LEASE
from tests.transport.sse_client import open_stream
from tests.transport.test_many_instances import client_of, instances, post_to
from tests.valkey import ValkeyServer
from transport.sessions.claims import RequestClaim
from transport.sessions.event_log import Event
from transport.sessions.session import SessionRecord, new_session_id
from transport.sessions.valkey import lease
from transport.sessions.valkey.broker import ValkeyBroker

pytestmark = pytest.mark.usefixtures("patience")


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the wait for a dead instance short; a lease that is renewed lasts as long as ever."""
    monkeypatch.setattr(lease, "RENEW_S", 0.1)
    monkeypatch.setattr(lease, "LEASE_S", 1.0)


def broker_of(at: Bench) -> ValkeyBroker:
    broker = at.transport._broker
    assert isinstance(broker, ValkeyBroker)
    return broker


async def stand_still(at: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an instance stop renewing its lease, as one does that is paused, until it is over."""

    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    instance = broker_of(at)._instance
    monkeypatch.setattr(instance.lease, "renew", never)
    await instance.call(END_LEASE, f"{instance._common[0]}i")


@kills(
    "transport/sessions/valkey/lua/finish.lua",
    "if has_ended(token) then return { 1, 0, -1 } end",
    "do return { 1, 0, -1 } end",
)
@pytest.mark.usefixtures("short_leases")
@pytest.mark.parametrize(("tool", "kind"), [("read", "interrupted"), ("write", "outcome_unknown")])
async def test_calls_of_a_dead_instance_are_answered_once_and_its_late_answer_is_dropped(
    broker_url: str, monkeypatch: pytest.MonkeyPatch, tool: str, kind: str
) -> None:
    async with instances(broker_url) as (a, b), client_of(a) as client, open_stream(client):
        await client.initialize()
        assert await post_to(b, client, call("x", tool, gate="g")) == 202
        await b.gates.reached["g"].wait()
        await stand_still(b, monkeypatch)
        assert (await client.response("x"))["error"]["data"]["kind"] == kind
        b.gates.open["g"].set()
        await until(lambda: b.counter.total("mcp_answers_dropped"))
        assert len(client.responses("x")) == 1


@pytest.mark.usefixtures("short_leases")
async def test_no_one_is_judged_before_one_lease_after_the_broker_came_back(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = asyncio.Event()
    async with instances(valkey.url, 1) as (a,):
        await until(lambda: a.transport.is_up)
        (leases,) = keys_of(valkey, "*:i")
        await asyncio.to_thread(valkey.kill)
        await until(lambda: not a.transport.is_up)
        lost = asyncio.get_running_loop().time()

        async def take_over_dead(instance: str) -> None:
            assert instance == "deadbeef"
            judged.set()

        monkeypatch.setattr(broker_of(a)._instance.lease, "_take_over_dead", take_over_dead)
        await asyncio.to_thread(valkey.start)
        await until(lambda: a.transport.is_up)
        judges_from = broker_of(a)._instance.lease._judge_from
        with redis.Redis.from_url(valkey.url) as server:
            server.zadd(leases, {"deadbeef": 1})  # its lease was over long ago
        async with asyncio.timeout(30):
            await judged.wait()
        assert asyncio.get_running_loop().time() >= judges_from >= lost + lease.LEASE_S


def keys_of(valkey: ValkeyServer, pattern: str) -> list[bytes]:
    """Return the keys that fit a pattern."""
    with redis.Redis.from_url(valkey.url) as server:
        found: Any = server.keys(pattern)
        return list(found)


async def test_every_key_has_an_expiry_and_the_end_of_a_session_leaves_none_of_it(valkey: ValkeyServer) -> None:
    async with instances(valkey.url, 1) as (a,), client_of(a) as client:
        async with open_stream(client):
            await client.initialize()
            await client.call("echo", text="x")
            session = client.endpoint.partition("=")[2]
            keys = keys_of(valkey, "*")
            with redis.Redis.from_url(valkey.url) as server:
                assert [key for key in keys if int(server.ttl(key)) < 0] == []
            assert all(key.startswith(b"{") for key in keys)
            await broker_of(a).end(session)
            await client.ended.wait()
        assert keys_of(valkey, f"*{session}*") == []
    assert keys_of(valkey, "*:i") == [], "who stops leaves nothing behind"


@pytest.mark.parametrize("request_id", ["a b", '"', "line\nbreak", "日本語", "7", 7, 2**60, -1, ""])
async def test_any_request_id_finds_its_way_through_the_broker(broker_url: str, request_id: Any) -> None:
    async with instances(broker_url) as (a, b), client_of(a) as client, open_stream(client):
        await client.initialize()
        assert await post_to(b, client, call(request_id, "echo", text="x")) == 202
        response = await client.response(request_id)
        assert json.dumps(response["id"]) == json.dumps(request_id)


@kills("transport/sessions/valkey/local_stream.py", "or before != self.last or", "or")
async def test_an_event_that_was_not_heard_is_read_from_the_log(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with instances(broker_url) as (a, b), client_of(a) as client, open_stream(client):
        await client.initialize()
        local = broker_of(a)._instance.streams[client.endpoint.partition("=")[2]]
        offer, heard = local.offer, []

        def deaf_once(event: Event, before: int) -> None:
            heard.append(event)
            if len(heard) > 1:
                offer(event, before)

        monkeypatch.setattr(local, "offer", deaf_once)
        await post_to(b, client, call("first", "echo", text="x"))
        await until(lambda: heard)
        await post_to(b, client, call("second", "echo", text="x"))
        await client.response("first")
        await client.response("second")
        assert [one["id"] for one in client.received if one.get("id") in {"first", "second"}] == ["first", "second"]


@kills("transport/sessions/valkey/lua/finish.lua", "has_ended(token)", "false")
async def test_a_script_that_is_sent_again_stores_nothing_twice(broker_url: str) -> None:
    async with instances(broker_url, 1) as (a,):
        broker = broker_of(a)
        session = SessionRecord(id=new_session_id(), owner=("default", "me"), wire="sse")
        await broker.open(session)
        await broker.claim(session.id, session.owner, session.wire, [RequestClaim(1, b"digest")], own_stream=False)
        (running,) = broker._calls._running.values()
        for _ in range(2):
            assert await broker._calls._finish(running, b"answer") == 1
        stream = await broker.attach(session.id)
        assert stream is not None
        assert [event.text() for event in await stream.events()] == [b"answer"]
