"""Streamable HTTP on several instances that share a Valkey: any of them takes any request and any stream."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import pytest

from tests.kills import kills
from tests.transport.http_client import call, cancelled, http_client, opening, text_of
from tests.transport.serving import until
from tests.transport.sessions.valkey.test_dead_instances import short_leases, stand_still
from tests.transport.test_many_instances import ME, YOU, instances

__all__ = ("short_leases",)  # a fixture
pytestmark = pytest.mark.usefixtures("patience")


async def test_a_session_opened_on_one_instance_is_served_by_another(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), http_client(a.url, ME) as client:
        assert await client.at(b.url).call(1, "which_client") == "test"
        assert await client.at(b.url).call(2, "echo", text="x") == "x"
        assert (a.gates.ran["echo"], b.gates.ran["echo"]) == (0, 1)


async def test_a_handshake_may_be_spread_over_instances(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), http_client(a.url, ME, None) as client:
        client.belong_to((await client.post(opening())).headers["mcp-session-id"])
        assert (await client.at(b.url).post({"jsonrpc": "2.0", "method": "notifications/initialized"})).status == 202
        assert await client.call(1, "echo", text="x") == "x"


async def test_a_stream_that_was_cut_is_resumed_on_another_instance(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), http_client(a.url, ME) as client:
        async with client.stream(call("x", "start_and_wait", {"progressToken": "p"}, gate="g")) as cut:
            await cut.said("notifications/progress")
        async with client.at(b.url).listen(cut.ids[0] or "") as rest:
            await rest.said("notifications/message")
            a.gates.open["g"].set()
            await rest.end()
        assert [one.get("id") for one in rest.received] == [None, "x"]
        again = await client.at(b.url).get(cut.ids[0] or "")
        assert again.received == rest.received


async def test_a_stream_that_is_resumed_elsewhere_ends_where_it_was(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), http_client(a.url, ME) as client:
        async with client.stream(call("x", "read", gate="g")) as first:
            await first.until(lambda: first.primed)
            async with client.at(b.url).listen(first.last_event_id) as second:
                await first.end()
                a.gates.open["g"].set()
                await second.end()
        assert (first.received, text_of(second.responses("x")[0])) == ([], "g")


async def test_a_repeat_on_another_instance_takes_the_stream_over_and_runs_nothing(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), http_client(a.url, ME) as client:
        async with client.stream(call("x", "write", gate="g")) as first:
            await a.gates.reached["g"].wait()
            async with client.at(b.url).stream(call("x", "write", gate="g")) as again:
                await first.end()
                a.gates.open["g"].set()
                await again.end()
        assert text_of(again.responses("x")[0]) == "g"
        assert (a.gates.ran["g"], b.gates.ran["g"]) == (1, 0)


async def test_requests_with_one_id_on_two_instances_are_each_resumed_on_the_other(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), http_client(a.url, ME) as client, AsyncExitStack() as stack:
        at = {"a": a, "b": b, "c": a}
        cut = {
            gate: await stack.enter_async_context(client.at(one.url).stream(call(1, "read", gate=gate)))
            for gate, one in at.items()
        }
        for gate, one in at.items():
            await one.gates.reached[gate].wait()
            await cut[gate].until(partial(getattr, cut[gate], "primed"))
        await stack.aclose()
        for gate in "cba":  # the first is the slowest
            at[gate].gates.open[gate].set()
        for gate, one in at.items():
            elsewhere = client.at((b if one is a else a).url)
            assert [text_of(response) for response in (await elsewhere.get(cut[gate].primed[0])).received] == [gate]


async def test_a_cancellation_of_an_id_that_runs_on_two_instances_is_ignored(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), http_client(a.url, ME) as client:
        async with (
            client.stream(call(1, "read", gate="a")) as one,
            client.at(b.url).stream(call(1, "read", gate="b")) as other,
        ):
            await a.gates.reached["a"].wait()
            await b.gates.reached["b"].wait()
            assert (await client.at(a.url).post(cancelled(1))).status == 202
            assert a.counter.total("mcp_cancellations_ignored") == 1
            a.gates.open["a"].set()
            b.gates.open["b"].set()
            await asyncio.gather(one.end(), other.end())
        assert [text_of(response.responses(1)[0]) for response in (one, other)] == ["a", "b"]


async def test_a_cancel_reaches_the_instance_that_runs_the_call(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), http_client(a.url, ME) as client:
        async with client.stream(call("x", "write", gate="g")) as response:
            await a.gates.reached["g"].wait()
            assert (await client.at(b.url).post(cancelled("x"))).status == 202
            await response.end()
        assert [one["error"]["code"] for one in response.received] == [-32800]
        assert a.gates.cancelled["g"].is_set()


async def test_a_question_and_its_answer_cross_instances(broker_url: str) -> None:
    async with instances(broker_url, 3) as (a, b, c), http_client(a.url, ME, elicitation={}) as client:
        async with client.stream(call("x", "ask")) as cut:
            await cut.until(lambda: cut.primed)
        async with client.at(b.url).listen(cut.primed[0]) as rest:
            asked = await rest.said("elicitation/create")
            accepted = {"action": "accept", "content": {"colour": "blue"}}
            response = {"jsonrpc": "2.0", "id": asked["id"], "result": accepted}
            assert (await client.at(c.url).post(response)).status == 202
            await rest.end()
        assert "blue" in text_of(rest.responses("x")[0])


async def test_the_standalone_stream_moves_and_gets_what_is_said_elsewhere(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), http_client(a.url, ME) as client, client.listen() as first:
        await first.until(lambda: first.retry_ms)
        async with client.at(b.url).listen() as second:
            await first.end()
            await client.call("x", "announce")
            await second.said("notifications/tools/list_changed")


async def test_delete_on_another_instance_ends_streams_and_calls(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), http_client(a.url, ME) as client:
        async with client.listen() as standalone, client.stream(call("x", "write", gate="g")) as response:
            await a.gates.reached["g"].wait()
            assert (await client.at(b.url).delete()).status == 204
            await asyncio.gather(response.end(), standalone.end())
            async with asyncio.timeout(10):
                await a.gates.cancelled["g"].wait()
        for at in (a, b):
            assert (await client.at(at.url).post(call("y", "echo", text="x"))).status == 404


@kills("transport/sessions/valkey/lua/claim.lua", "if claim.stream ~= '' then dismiss(session, claim.stream) end", "")
async def test_another_initialize_ends_the_streams_of_earlier_calls_wherever_they_are(broker_url: str) -> None:
    async with instances(broker_url, 3) as (a, b, c), http_client(a.url, ME) as client:
        async with client.stream(call("x", "write", gate="g")) as first:
            await first.until(lambda: first.primed)
            await a.gates.reached["g"].wait()
            async with client.at(b.url).listen(first.primed[0]) as second:
                await first.end()
                assert (await client.at(c.url).post(opening())).status == 200
                await second.end()
        async with asyncio.timeout(10):
            await a.gates.cancelled["g"].wait()
        assert second.received == []


async def test_another_principal_meets_the_same_404_on_every_instance(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), http_client(a.url, ME) as client:
        last = (await client.post(call(1, "echo", text="x"))).last_event_id
        foreign = [client.at(at.url).who(YOU) for at in (a, b)]
        unknown = await foreign[0].who({"mcp-session-id": "x" * 43}).post(call(2, "echo", text="x"))
        for one in foreign:
            responses = [await one.post(call(2, "echo", text="x")), await one.get(), await one.get(last)]
            responses.append(await one.delete())
            assert {(response.status, response.body) for response in responses} == {(404, unknown.body)}


# --------------------------------------------------------------------- instances that stop or die


async def test_a_drain_ends_a_stream_at_once_if_its_client_reconnects(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), http_client(a.url, ME) as client, client.listen() as standalone:
        async with client.stream(call("x", "read", gate="g")) as cut:
            await a.gates.reached["g"].wait()
            drain = asyncio.create_task(a.transport.drain())
            await asyncio.gather(cut.end(), standalone.end())
        assert (cut.received, len(cut.primed)) == ([], 1)
        async with client.at(b.url).listen(cut.last_event_id) as rest:
            a.gates.open["g"].set()
            await rest.end()
        assert text_of(rest.responses("x")[0]) == "g"
        await drain


async def test_a_stream_that_begins_in_a_drain_is_over_at_once(broker_url: str) -> None:
    async with instances(broker_url, heartbeat_s=60.0) as (a, _), http_client(a.url, ME) as client:
        await a.transport.drain()
        async with asyncio.timeout(a.transport.limits.heartbeat_s / 3):
            assert (await client.get()).received == []


@kills("transport/streamable_http.py", "(not name or record.version in RESUMES_POST_STREAMS)", "True")
async def test_a_drain_keeps_a_stream_if_its_client_would_not_reconnect(broker_url: str) -> None:
    async with instances(broker_url) as (a, _), http_client(a.url, ME, "2025-06-18") as client:
        async with client.listen() as standalone, client.stream(call("x", "read", gate="g")) as response:
            await a.gates.reached["g"].wait()
            drain = asyncio.create_task(a.transport.drain())
            await standalone.end()
            assert not response.ended.is_set()
            a.gates.open["g"].set()
            await response.end()
        assert text_of(response.responses("x")[0]) == "g"
        await drain


@pytest.mark.parametrize(("tool", "kind"), [("read", "interrupted"), ("write", "outcome_unknown")])
async def test_a_client_that_resumed_elsewhere_gets_the_response_to_a_call_interrupted_by_a_drain(
    broker_url: str, tool: str, kind: str
) -> None:
    async with instances(broker_url, drain_s=0.1) as (a, b), http_client(a.url, ME) as client:
        async with client.stream(call("x", tool, gate="g")) as cut:
            await a.gates.reached["g"].wait()
            await a.transport.drain()
            await cut.end()
        rest = await client.at(b.url).get(cut.last_event_id)
        assert [one["error"]["data"]["kind"] for one in [*cut.received, *rest.received]] == [kind]


@pytest.mark.usefixtures("short_leases")
@pytest.mark.parametrize(("tool", "kind"), [("read", "interrupted"), ("write", "outcome_unknown")])
async def test_a_client_that_resumes_elsewhere_gets_the_response_to_the_call_of_a_dead_instance(
    broker_url: str, monkeypatch: pytest.MonkeyPatch, tool: str, kind: str
) -> None:
    async with instances(broker_url) as (a, b), http_client(a.url, ME) as client:
        async with client.stream(call("x", tool, gate="g")) as cut:
            await cut.until(lambda: cut.primed)
            await a.gates.reached["g"].wait()
        await stand_still(a, monkeypatch)
        rest = await client.at(b.url).get(cut.primed[0])
        assert [one["error"]["data"]["kind"] for one in rest.received] == [kind]
        a.gates.open["g"].set()
        await until(lambda: a.counter.total("mcp_answers_dropped"))
        assert (await client.at(b.url).get(cut.primed[0])).received == rest.received
