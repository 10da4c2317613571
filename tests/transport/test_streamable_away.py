"""Streamable HTTP while Valkey is away, and after it returns, with its data or empty."""

import asyncio

import pytest

from tests.kills import kills
from tests.transport.http_client import ENVELOPE, call, http_client, opening, text_of
from tests.transport.sessions.valkey.test_away import away, back
from tests.transport.sessions.valkey.test_dead_instances import broker_of
from tests.transport.test_many_instances import ME, instances
from tests.transport.test_streamable_http_stateless import routing
from tests.valkey import ValkeyServer
from transport.http import event_stream
from transport.sessions.valkey import broker, instance, lease


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten all waits of the server below the patience of clients."""
    monkeypatch.setattr(broker, "CLAIM_S", 0.5)
    monkeypatch.setattr(broker, "SETTLE_S", 0.3)
    monkeypatch.setattr(event_stream, "_TRY_AGAIN_S", 0.1)
    for module in (instance, lease):
        monkeypatch.setattr(module, "RECOVERY_S", 1.0)


async def test_a_call_where_the_standalone_stream_is_held_runs_from_memory(valkey: ValkeyServer) -> None:
    async with instances(valkey.url) as (a, b), http_client(a.url, ME) as client, client.listen() as standalone:
        await standalone.until(lambda: standalone.retry_ms)
        await away(valkey, a, b)
        async with client.stream(call("x", "write", gate="g")) as response:
            await a.gates.reached["g"].wait()
            a.gates.open["g"].set()
            await response.end()
        assert text_of(response.responses("x")[0]) == "g"
        assert response.ids == [None], "its id has no number yet"
        await back(valkey, a, b)
        again = await client.at(b.url).post(call("x", "write", gate="g"))
        assert again.received == response.received
        assert not standalone.ended.is_set()
    assert (a.gates.ran["g"], b.gates.ran["g"]) == (1, 0)


async def test_a_call_that_began_in_the_outage_is_resumed_elsewhere_after_it(valkey: ValkeyServer) -> None:
    async with instances(valkey.url) as (a, b), http_client(a.url, ME) as client, client.listen() as standalone:
        await standalone.until(lambda: standalone.retry_ms)
        await away(valkey, a, b)
        async with client.stream(call("x", "write", gate="g")) as cut:
            await cut.until(lambda: cut.primed)
            await a.gates.reached["g"].wait()
        await back(valkey, a, b)
        async with client.at(b.url).listen(cut.last_event_id) as rest:
            a.gates.open["g"].set()
            await rest.end()
        assert text_of(rest.responses("x")[0]) == "g"
    assert (a.gates.ran["g"], b.gates.ran["g"]) == (1, 0)


async def test_a_call_elsewhere_waits_for_a_short_while_and_is_refused_unrun(valkey: ValkeyServer) -> None:
    async with instances(valkey.url) as (a, b), http_client(a.url, ME) as client, client.listen() as standalone:
        await standalone.until(lambda: standalone.retry_ms)
        await away(valkey, a, b)
        broker_of(b)._instance.client._wait_s = 0.5
        refused = [
            await client.at(b.url).post(call("x", "write", gate="g")),
            await client.at(b.url).get(),
            await client.at(b.url).delete(),
            await client.at(b.url).who({"mcp-session-id": ""}).post(opening()),
        ]
        assert {(one.status, one.kind, one.headers["retry-after"]) for one in refused} == {
            (503, "broker_unavailable", "1")
        }
        await back(valkey, a, b)
        a.gates.open["g"].set()
        assert await client.call("x", "write", gate="g") == "g"
    assert (a.gates.ran["g"], b.gates.ran["g"]) == (1, 0)


async def test_a_short_outage_is_waited_out(valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "CLAIM_S", 4.0)
    async with instances(valkey.url, 1) as (a,), http_client(a.url, ME) as client:
        await away(valkey, a)
        waiting = asyncio.create_task(client.call("x", "echo", text="x"))
        await back(valkey, a)
        assert await waiting == "x"


async def test_an_answer_that_found_no_broker_comes_on_its_stream_all_the_same(valkey: ValkeyServer) -> None:
    async with instances(valkey.url) as (a, b), http_client(a.url, ME) as client:
        async with client.stream(call("x", "write", gate="g")) as response:
            await a.gates.reached["g"].wait()
            await away(valkey, a, b)
            a.gates.open["g"].set()
            await response.end()
        assert text_of(response.responses("x")[0]) == "g"
        await back(valkey, a, b)
        assert (await client.at(b.url).post(call("x", "write", gate="g"))).received == response.received
    assert (a.gates.ran["g"], b.gates.ran["g"]) == (1, 0)


@kills("transport/streamable_http.py", "if seen is None:", "if True:")
async def test_a_client_that_resumes_waits_and_is_served_when_the_broker_is_back(valkey: ValkeyServer) -> None:
    async with instances(valkey.url) as (a, b), http_client(a.url, ME) as client:
        async with client.stream(call("x", "read", gate="g")) as cut:
            await cut.until(lambda: cut.primed)
            await a.gates.reached["g"].wait()
        await away(valkey, a, b)
        a.gates.open["g"].set()
        async with client.at(b.url).listen(cut.last_event_id) as rest:
            assert rest.status == 200
            await rest.until(lambda: rest.comments)
            await back(valkey, a, b)
            await rest.end()
        assert text_of(rest.responses("x")[0]) == "g"


async def test_a_broker_that_comes_back_empty_costs_a_held_session_nothing(valkey: ValkeyServer) -> None:
    async with (
        instances(valkey.url) as (a, b),
        http_client(a.url, ME) as held,
        http_client(a.url, ME) as left,
        held.listen() as standalone,
        held.stream(call("x", "write", gate="g")) as response,
    ):
        await a.gates.reached["g"].wait()
        lost = await left.post(call("y", "echo", text="y"))
        await away(valkey, a, b)
        async with left.at(b.url).listen(lost.last_event_id) as waiting:
            await waiting.until(lambda: waiting.comments)
            await back(valkey, a, b, empty=True)
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
