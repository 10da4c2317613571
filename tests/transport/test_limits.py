"""Callers over a rate limit get the time of their next attempt, in the form of their transport; nothing is run."""

import asyncio
import secrets
import time

import httpx2
import pytest

from shared.rate import Rate
from tests.captured_logs import capture_logs
from tests.kills import kills
from tests.transport.dispatch.test_dispatcher import call
from tests.transport.http_client import HttpClient, Message, http_client, opening, text_of
from tests.transport.http_client import call as calling
from tests.transport.people import Trail
from tests.transport.serving import bench
from tests.transport.sse_client import sse_session
from tests.transport.test_many_instances import instances
from tests.transport.test_streamable_http_stateless import modern, said, tool
from transport.rate_limit import Rates
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits
from transport.sessions.valkey.broker import ValkeyBroker

ME, YOU, THEM = {"x-api-key": "key-me"}, {"x-api-key": "key-you"}, {"x-api-key": "key-me@acme"}
MANY = Rate(60, 1000)
ONE = {"rates": Rates(read=Rate(1, 1), write=MANY, tenant_read=MANY, tenant_write=MANY)}
"""One read for each principal, and unlimited writes."""
SAYS = {"kind": "rate_limited", "effect": "nothing_changed"}


def refused_call(result: Message) -> int:
    """Return the `retryAfter` of a refused call, after checking the rest of its result."""
    assert result["isError"] is True
    error = dict(result["structuredContent"]["error"])
    again = error.pop("retryAfter")
    assert error.pop("message") == result["content"][0]["text"]
    assert error == SAYS
    assert f"Nothing was changed; try again in {again} s." in result["content"][0]["text"]
    assert result["content"][0]["text"].startswith("Too many reads: your limit is 1 a minute.")
    return int(again)


@pytest.mark.usefixtures("any_broker")
class TestEveryWire:
    """What is refused, and in which form."""

    async def test_a_refused_call_of_an_sse_session_says_when_to_retry(self) -> None:
        async with bench(more=ONE) as at, sse_session(at.url, ME) as client:
            assert (await client.call("echo", text="x"))["isError"] is False
            assert 50 <= refused_call(await client.call("echo", text="x")) <= 60
            error = (await client.request("tools/list"))["error"]
            assert (error["code"], error["data"]["kind"]) == (-32600, "rate_limited")
            assert 50 <= error["data"]["retryAfter"] <= 60
            modern_call = call("m", "echo", tool("echo")["params"]["_meta"], text="x")
            await client.post(modern_call)
            response = await client.response("m")
            assert response["result"]["resultType"] == "complete"
            refused_call(response["result"])
            at.gates.open["g"].set()
            assert (await client.call("write", gate="g"))["isError"] is False, "writes have a separate limit"
            async with sse_session(at.url, YOU) as other:
                assert (await other.call("echo", text="x"))["isError"] is False
        assert at.gates.ran["echo"] == 2
        assert at.counter.total("mcp_requests", method="tools/call", outcome="rate_limited", tenant="default") == 2

    async def test_a_call_of_a_session_over_streamable_http_is_answered_the_same_way(self) -> None:
        async with bench(more=ONE) as at, http_client(at.url, ME) as client:
            assert await client.call(1, "echo", text="x") == "x"
            refused = await client.post(calling(2, "echo", text="x"))
            assert (refused.status, refused.is_stream) == (200, False)
            refused_call(refused.responses(2)[0]["result"])
            assert (await client.post({"jsonrpc": "2.0", "id": 3, "method": "tools/list"})).kind == "rate_limited"
            assert at.gates.ran["echo"] == 1

    async def test_a_request_of_no_session_is_429(self) -> None:
        async with bench(more=ONE) as at, http_client(at.url, ME, None) as client:
            assert (await said(client, tool("echo", text="x"))).status == 200
            refused = await said(client, tool("echo", text="x"))
            assert (refused.status, refused.kind) == (429, "rate_limited")
            assert refused.received[0]["id"] == 1
            assert refused.received[0]["error"]["data"]["retryAfter"] == int(refused.headers["retry-after"])
            assert 50 <= int(refused.headers["retry-after"]) <= 60
            assert (await said(client, modern("tools/list"))).status == 429
            assert (await said(client, modern("server/discover"))).status == 200, "it costs nothing"
            assert at.gates.ran["echo"] == 1
            assert at.counter.total("http_refusals", kind="rate_limited", tenant="default") == 2

    @kills("transport/dispatch/policy.py", " and request.method not in FREE", "")
    async def test_pings_handshakes_notifications_and_repeats_cost_nothing(self) -> None:
        async with bench(more=ONE) as at, http_client(at.url, ME) as client:
            for number in range(3):
                assert (await client.post({"jsonrpc": "2.0", "id": f"p{number}", "method": "ping"})).responses(
                    f"p{number}"
                )
                assert (await client.post({"jsonrpc": "2.0", "method": "notifications/x"})).status == 202
            async with client.stream(calling(1, "read", gate="g")) as first:
                await at.gates.reached["g"].wait()
                for _ in range(3):
                    async with client.stream(calling(1, "read", gate="g")) as again:
                        await again.until(lambda: again.primed)
                await first.end()
                async with client.stream(calling(1, "read", gate="g")) as last:
                    at.gates.open["g"].set()
                    await last.end()
            assert text_of(last.responses(1)[0]) == "g"
            assert (await client.post(opening())).status == 200
            assert at.gates.ran["g"] == 1

    async def test_the_limit_of_an_organisation_is_its_own_and_said_to_be_so(self) -> None:
        rates = Rates(read=MANY, write=MANY, tenant_read=Rate(1, 2), tenant_write=MANY)
        async with bench(more={"rates": rates}) as at, http_client(at.url, ME, None) as me:
            assert (await said(me, tool("echo", text="x"))).status == 200
            assert (await said(me.who(YOU), tool("echo", text="x"))).status == 200
            for who in (ME, YOU):
                refused = await said(me.who(who), tool("echo", text="x"))
                assert refused.status == 429
                assert "your organisation's limit is 1 a minute" in refused.received[0]["error"]["message"]
            assert (await said(me.who(THEM), tool("echo", text="x"))).status == 200


@kills("transport/http/endpoint.py", "(wait := edge.policy.http_wait(principal))", "(wait := None)")
@pytest.mark.parametrize("path", ["/mcp", "/messages?session_id=x"])
async def test_a_client_that_sends_far_more_requests_than_calls_need_is_refused(path: str) -> None:
    """The message is not parsed: a flood of pings would cost the time of all clients."""
    trail, few = Trail(), Rates(read=Rate(1, 1), write=Rate(1, 1), tenant_read=MANY, tenant_write=MANY)
    async with bench(more={"rates": few, "audit": trail}) as at, httpx2.AsyncClient(base_url=at.url) as http:

        async def post(headers: dict[str, str]) -> httpx2.Response:
            return await http.post(path, content=b"?", headers=headers)

        assert {(await post(ME)).status_code for _ in range(6)}.isdisjoint({429})
        with capture_logs() as logs:
            refused = await post(ME)
        assert [(one["message"], one["kind"]) for one in logs] == [("request_refused", "rate_limited")]
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        error = refused.json()["error"]
        assert error["data"] == {"kind": "rate_limited", "retryAfter": int(refused.headers["retry-after"])}
        assert error["message"].startswith("Too many HTTP requests: your limit is 6 a minute. Nothing was changed")
        assert [(event.actor, event.outcome, event.detail) for event in trail.events] == [
            ("me", "rate_limited", "principal HTTP request")
        ]
        for others in (YOU, THEM):
            assert (await post(others)).status_code != 429


async def test_a_flood_of_refusals_is_recorded_once() -> None:
    trail = Trail()
    async with bench(more=ONE | {"audit": trail}) as at, http_client(at.url, ME, None) as client:
        headers = {"traceparent": f"00-{'a1' * 16}-{'b2' * 8}-01"}
        for _ in range(5):
            await said(client, tool("echo", text="x"), **headers)
        (event,) = trail.events
        assert (event.action, event.outcome, event.tool) == ("tool_call", "rate_limited", "echo")
        assert (event.tenant, event.actor, event.credential) == ("default", "me", "key-me")
        assert (event.request_id, event.trace, event.detail) == ("1", "a1" * 16, "principal read")
    assert [one.detail for one in trail.events] == ["principal read", "principal read, 3 times"]


# --------------------------------------------------------------------- a flood

LIMIT = 20
FLOOD = 10 * LIMIT
PER_MINUTE = Rate(LIMIT, LIMIT)
TENANTS = {"rates": Rates(read=MANY, write=MANY, tenant_read=PER_MINUTE, tenant_write=MANY)}


async def flood(*clients: HttpClient) -> None:
    """Send ten times the limit, in turns; each refusal must have a `Retry-After`."""
    assert clients

    async def send(number: int) -> None:
        response = await said(clients[number % len(clients)], tool("echo", text="x"))
        assert response.status == 200 or (response.status == 429 and int(response.headers["retry-after"]) >= 1)

    for start in range(0, FLOOD, 20):
        await asyncio.gather(*(send(start + number) for number in range(20)))


@kills("transport/rate_limit.py", "return longest", "return None")
async def test_of_a_flood_the_limit_passes_and_then_what_flows_in() -> None:
    now = 0.0
    broker = InMemoryBroker(Limits(), clock=lambda: now)
    async with bench(broker=broker, more=TENANTS) as at, http_client(at.url, ME, None) as client:
        await flood(client, client.who(YOU))
        assert at.gates.ran["echo"] == LIMIT
        now = 30.0
        await flood(client, client.who(YOU))
        assert at.gates.ran["echo"] == LIMIT + LIMIT / 2
        assert (await said(client.who(THEM), tool("echo", text="x"))).status == 200


@pytest.mark.usefixtures("patience")
@kills("transport/sessions/valkey/lua/rates.lua", "if which > 0 then return which, math.ceil(longest) end", "")
async def test_of_a_flood_over_two_instances_the_limit_passes(broker_url: str) -> None:
    async with (
        instances(broker_url, more=TENANTS) as (a, b),
        http_client(a.url, ME, None) as here,
        http_client(b.url, ME, None) as there,
    ):
        started = time.monotonic()
        await flood(here, there, here.who(YOU), there.who(YOU))
        flowed_in = (time.monotonic() - started) * LIMIT / 60
        ran = a.gates.ran["echo"] + b.gates.ran["echo"]
        assert LIMIT - 1 <= ran <= LIMIT + flowed_in + 1
        assert (await said(there.who(THEM), tool("echo", text="x"))).status == 200


@kills("transport/sessions/valkey/rate_limit.py", "return self._instance.buckets.try_consume(costs)", "return None")
async def test_without_valkey_requests_of_no_session_are_limited_by_each_instance() -> None:
    away = ValkeyBroker("redis://127.0.0.1:1/0", prefix=f"{{{secrets.token_hex(4)}}}:")
    async with bench(broker=away, is_up=False, more=ONE) as at, http_client(at.url, ME, None) as client:
        assert [(await said(client, tool("echo", text="x"))).status for _ in range(2)] == [200, 429]
