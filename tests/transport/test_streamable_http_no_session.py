"""POSTs of revisions with sessions that name none: each is served by itself, as in a session of its revision."""

import asyncio
import json
import secrets
from typing import Any, Final

import pytest
from mcp_types import EmptyResult, SetLevelRequestParams, SubscribeRequestParams, UnsubscribeRequestParams

from shared.client_habits import ClientHabits
from tests.kills import kills
from tests.transport.dispatch.test_scopes import LACKS, offered
from tests.transport.http_client import (
    HttpClient,
    HTTPResponse,
    Message,
    call,
    cancelled,
    http_client,
    opening,
    text_of,
)
from tests.transport.people import Trail, key
from tests.transport.raw_http import unread
from tests.transport.serving import Bench, bench, until
from tests.transport.test_limits import ONE, refused_call
from tests.transport.test_parity import REQUESTS, ask, note
from transport.dispatch.sdk_kernel import lowlevel
from transport.sessions.valkey.broker import ValkeyBroker

ME: Final = {"x-api-key": "key-me"}
REVISIONS: Final = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
MORE: Final = [
    ask("tools/call", {"name": "report", "arguments": {"steps": 2}, "_meta": {"progressToken": "p"}}),
    ask("tools/call", {"name": "fill", "arguments": {"size": 2 * 1024 * 1024}}),
    ask("tools/call", {"name": "announce", "arguments": {}}),
    ask("prompts/get", {"name": "broken"}),
    ask("subscriptions/listen", {"notifications": {}}),
    ask("tasks/list"),
]
"""What is asked beside the scripts of `test_parity`."""


def alone(client: HttpClient, revision: str = "2025-11-25") -> HttpClient:
    """Return the same client without a session, in a revision; 2025-03-26 has no header."""
    return client.who({"mcp-session-id": "", "mcp-protocol-version": "" if revision == "2025-03-26" else revision})


def body_of(response: HTTPResponse) -> Any:
    """Return a response that came as JSON."""
    assert (response.status, response.is_stream) == (200, False)
    return response.received[0]


def served(at: Bench) -> int:
    """Return how many requests were counted as served without a session."""
    return at.counter.total("client_habits", habit="no_session_id")


# --------------------------------------------------------------------- the same responses as in a session


@kills("transport/dispatch/sdk_kernel.py", "from_envelope(revision", "from_envelope('2026-07-28'")
@pytest.mark.parametrize("revision", REVISIONS)
async def test_every_request_has_the_response_that_it_has_in_a_session(revision: str) -> None:
    async with bench() as at, http_client(at.url, ME, revision) as client:
        for request in [*REQUESTS, *MORE]:
            of_session = await client.post(request)
            response = await alone(client, revision).post(request)
            assert (response.status, response.received) == (200, of_session.received), request
            assert "mcp-session-id" not in response.headers
            assert (response.ids, response.primed) == ([None] * len(response.ids), []), "there is nothing to resume"


async def test_no_session_is_opened_and_the_client_is_counted_by_its_revision() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        assert text_of(body_of(await alone(client, "2025-06-18").post(call(1, "echo", text="x")))) == "x"
        assert text_of(body_of(await alone(client, "2025-03-26").post(call(1, "echo", text="y")))) == "y"
        assert at.transport.stats()["sessions"] == 0
        for revision in ("2025-06-18", "2025-03-26"):
            labels = {"wire": "streamable_http", "revision": revision, "client": "unknown"}
            assert at.counter.total("mcp_clients", **labels) == 1
        assert at.counter.total("mcp_requests", method="tools/call", outcome="ok", tenant="default") == 2
        assert served(at) == 2


async def test_a_session_that_is_named_is_used_and_one_that_is_unknown_is_not_found() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        assert (await client.post(ask("ping"))).received == [{"jsonrpc": "2.0", "id": 1, "result": {}}]
        for unknown in ("x" * 43, "nope"):
            refused = await client.who({"mcp-session-id": unknown}).post(ask("ping"))
            assert (refused.status, refused.kind) == (404, "unknown_session")
        assert not served(at)


async def test_requests_with_one_id_at_once_each_get_their_own_response() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client, asyncio.TaskGroup() as tasks:
        posts = [tasks.create_task(client.post(call(1, "read", gate=gate))) for gate in "abca"]
        await until(lambda: sum(at.gates.ran.values()) == 4)
        for gate in "cba":
            at.gates.open[gate].set()
        assert [text_of(body_of(await one)) for one in posts] == ["a", "b", "c", "a"]


async def test_what_a_tool_sends_before_its_response_makes_it_a_stream() -> None:
    async with bench(heartbeat_s=0.02) as at, http_client(at.url, ME, None) as client:
        async with client.stream(call(1, "start_and_wait", {"progressToken": 7}, gate="g")) as response:
            assert (await response.said("notifications/progress"))["params"]["progressToken"] == 7
            assert (await response.said("notifications/message"))["params"]["data"] == "started"
            await response.until(lambda: response.comments)
            at.gates.open["g"].set()
            await response.end()
        assert (response.is_stream, text_of(response.received[-1])) == (True, "g")


async def test_a_client_that_takes_one_media_type_gets_that() -> None:
    async with bench(heartbeat_s=0.02) as at, http_client(at.url, ME, None) as client:
        as_json, as_events = client.who({"accept": "application/json"}), client.who({"accept": "text/event-stream"})
        calling = asyncio.create_task(as_json.post(call(1, "start_and_wait", {"progressToken": 7}, gate="g")))
        await at.gates.reached["g"].wait()
        await asyncio.sleep(0.05)  # not synchronisation: comments would be due
        at.gates.open["g"].set()
        assert text_of(body_of(await calling)) == "g"
        batch = [call(1, "report", {"progressToken": 7}, steps=2), call(2, "echo", text="x")]
        assert [text_of(one) for one in body_of(await as_json.post(batch))] == ["done", "x"]
        for message in (call(1, "echo", text="x"), ask("no/such/method"), batch):
            assert (await as_events.post(message)).is_stream
        assert (await client.who({"accept": "text/html"}).post(ask("ping"))).status == 406


# --------------------------------------------------------------------- what is no request


async def test_notifications_are_accepted_and_a_cancellation_has_no_effect() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        calling = asyncio.create_task(client.post(call(1, "read", gate="g")))
        await at.gates.reached["g"].wait()
        for sent in (note("notifications/initialized"), cancelled(1), note("notifications/x")):
            accepted = await alone(client).post(sent)
            assert (accepted.status, accepted.body) == (202, b"")
        at.gates.open["g"].set()
        assert text_of(body_of(await calling)) == "g"
        assert at.counter.total("mcp_cancellations_ignored") == 1


async def test_a_response_belongs_to_a_session() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        for sent in ({"id": 1, "result": {}}, {"id": 1, "error": {"code": 1, "message": "x"}}):
            refused = await client.post({"jsonrpc": "2.0", **sent})
            assert (refused.status, refused.kind) == (400, "no_session")
            refused = await client.post([call(1, "echo", text="x"), {"jsonrpc": "2.0", **sent}])
            assert (refused.status, refused.kind) == (400, "no_session")
        assert not at.gates.ran


async def test_what_would_change_a_session_is_refused_by_servers_that_can() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        offer_subscriptions(at)
        for request in (
            ask("logging/setLevel", {"level": "info"}),
            ask("resources/subscribe", {"uri": "test://x"}),
            ask("resources/unsubscribe", {"uri": "test://x"}),
        ):
            assert "result" in (await client.post(request)).responses(1)[0], "it is served in a session"
            error = body_of(await alone(client).post(request))["error"]
            assert (error["code"], error["data"]) == (-32600, {"kind": "no_session"})
            assert "send Mcp-Session-Id" in error["message"]


def offer_subscriptions(at: Bench) -> None:
    """Have the served server accept what changes a session, which only the low level can."""

    async def accept(*_: Any) -> EmptyResult:
        return EmptyResult()

    server = lowlevel(at.server)
    server.add_request_handler("logging/setLevel", SetLevelRequestParams, accept)
    server.add_request_handler("resources/subscribe", SubscribeRequestParams, accept)
    server.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, accept)


async def test_a_tool_that_asks_the_client_is_told_at_once_that_it_cannot() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        error = body_of(await client.post(call(1, "ask")))["error"]
        assert (error["code"], "no back-channel" in error["message"]) == (-32600, True)


async def test_a_get_is_405_so_that_clients_go_on_without_a_stream_and_a_delete_is_400() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        for headers in ({}, {"mcp-protocol-version": "2025-11-25"}, {"last-event-id": f"{'x' * 43}::1"}):
            refused = await client.get(**headers)
            assert (refused.status, refused.kind, refused.headers["allow"]) == (405, "method", "POST")
        refused = await client.delete()
        assert (refused.status, refused.kind) == (400, "no_session")
        assert at.transport.stats()["streams"] == 0


# --------------------------------------------------------------------- batches


async def test_a_batch_of_2025_03_26_is_one_response_and_no_other_revision_has_them() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        batch = [
            call(1, "read", gate="g"),
            note("notifications/initialized"),
            call(2, "echo", text="x"),
            ask("x", None, 3),
        ]
        posting = asyncio.create_task(client.post(batch))
        await until(lambda: at.gates.ran["echo"] and at.gates.ran["g"])
        at.gates.open["g"].set()
        first, second, third = body_of(await posting)
        assert (text_of(first), text_of(second), third["error"]["code"]) == ("g", "x", -32601)
        assert [one["id"] for one in (first, second, third)] == [1, 2, 3]
        assert [text_of(one) for one in body_of(await client.post([call(1, "echo", text="one")]))] == ["one"]
        assert (await client.post([note("notifications/initialized")])).status == 202
        for revision in ("2024-11-05", "2025-06-18", "2025-11-25"):
            refused = await alone(client, revision).post(batch)
            assert (refused.status, refused.kind) == (400, "batch")
        refused = await client.post([opening(), ask("ping")])
        assert (refused.status, refused.kind) == (400, "batch")
        assert at.gates.ran == {"g": 1, "echo": 2}


async def test_a_batch_whose_tools_send_something_is_a_stream_of_all_responses() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        token = {"progressToken": "p"}
        response = await client.post([call(1, "report", token, steps=2), call(2, "echo", text="x")])
        assert response.is_stream
        assert [text_of(response.responses(number)[0]) for number in (1, 2)] == ["done", "x"]


async def test_the_responses_of_a_batch_together_are_bounded() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        batch = [call(number, "fill", size=400_000) for number in range(4)]
        responses = body_of(await client.post(batch))
        assert len(json.dumps(responses)) < 2 * 1024 * 1024
        assert sum(one.get("error", {}).get("data") == {"kind": "result_lost"} for one in responses) >= 1
        assert [one["id"] for one in responses] == [0, 1, 2, 3]


# --------------------------------------------------------------------- rates, scopes, limits


@pytest.mark.usefixtures("any_broker")
async def test_one_over_its_rate_is_answered_as_in_a_session_and_not_run() -> None:
    trail = Trail()
    async with bench(more=ONE | {"audit": trail}) as at, http_client(at.url, ME, None) as client:
        assert text_of(body_of(await client.post(call(1, "echo", text="x")))) == "x"
        refused_call(body_of(await client.post(call(1, "echo", text="x")))["result"])
        listed = body_of(await client.post(ask("tools/list")))
        assert listed["error"]["data"]["kind"] == "rate_limited"
        batch = body_of(await client.post([ask("ping"), call(2, "echo", text="x")]))
        assert batch[0]["result"] == {}, "it costs nothing"
        refused_call(batch[1]["result"])
        assert at.gates.ran["echo"] == 1
        assert at.counter.total("mcp_requests", outcome="rate_limited", tenant="default") == 3
        assert {one.outcome for one in trail.events} == {"rate_limited"}


async def test_without_the_broker_each_instance_serves_and_limits_them() -> None:
    away = ValkeyBroker("redis://127.0.0.1:1/0", prefix=f"{{{secrets.token_hex(4)}}}:")
    async with bench(broker=away, is_up=False, more=ONE) as at, http_client(at.url, ME, None) as client:
        assert text_of(body_of(await client.post(call(1, "echo", text="x")))) == "x"
        refused_call(body_of(await client.post(call(1, "echo", text="x")))["result"])


@pytest.mark.parametrize("revision", REVISIONS)
async def test_one_without_the_scope_is_403_and_audited_and_a_batch_as_a_whole(revision: str) -> None:
    trail = Trail()
    async with bench(more=offered(audit=trail)) as at, http_client(at.url, key("viewer"), None) as client:
        refused = await alone(client, revision).post(call(7, "write", gate="g"))
        assert (refused.status, refused.received[0]["id"]) == (403, 7)
        assert refused.received[0]["error"]["data"] == LACKS
        refused = await alone(client, "2025-03-26").post([call(1, "echo", text="x"), call(2, "write", gate="g")])
        assert (refused.status, refused.received[0]["id"]) == (403, 2)
        refused = await alone(client, revision).who(key("signed_in")).post(call(7, "write", gate="g"))
        assert refused.headers["www-authenticate"] == "Bearer /mcp tickets:write"
        assert not at.gates.ran
        assert {(one.outcome, one.tool) for one in trail.events} == {("insufficient_scope", "write")}


async def test_one_without_a_key_or_from_a_foreign_page_is_refused_as_ever() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        assert (await client.who({"x-api-key": ""}).post(ask("ping"))).status == 401
        assert (await client.who({"origin": "https://evil.example.com"}).post(ask("ping"))).status == 403
        assert not served(at)


async def test_too_many_at_once_are_503_and_a_batch_has_room_as_a_whole() -> None:
    async with bench(max_exchanges=3) as at, http_client(at.url, ME, None) as client, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(client.post(call(1, "read", gate="g")))
        await at.gates.reached["g"].wait()
        refused = await client.post([call(number, "echo", text="x") for number in range(4)])
        assert (refused.status, refused.kind, refused.received[0]["id"]) == (503, "busy", None)
        assert (len(body_of(await client.post([call(1, "echo", text="x")]))), at.gates.ran["echo"]) == (1, 1)
        at.gates.open["g"].set()
        await running
        assert len(body_of(await client.post([ask("ping", None, number) for number in range(2)]))) == 2


# --------------------------------------------------------------------- clients that leave, and the end


@kills(
    "transport/http/exchange_response.py",
    "if self._revision is None:\n            self._cancel()",
    "if True:\n            self._cancel()",
)
@pytest.mark.parametrize("tool", ["read", "write", "start_and_wait"])
async def test_a_client_that_leaves_cancels_nothing(tool: str) -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        leaving = asyncio.create_task(client.post(call(1, tool, {"progressToken": 1}, gate="g")))
        await at.gates.reached["g"].wait()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert text_of(body_of(await client.post(call(1, "echo", text="meanwhile")))) == "meanwhile"
        at.gates.open["g"].set()
        cancelled_it = at.gates.cancelled["g"]
        await until(lambda: at.counter.total("mcp_requests", outcome="ok") == 2 or cancelled_it.is_set())
        assert not cancelled_it.is_set()


async def test_a_client_that_does_not_read_cancels_nothing() -> None:
    async with bench(write_s=0.1) as at, http_client(at.url, ME, None) as client:
        async with unread(client, call(1, "talk", {"progressToken": 1}, times=200, size=200_000)):
            await until(lambda: at.counter.total("mcp_requests", method="tools/call", outcome="ok", tenant="default"))
        assert not at.gates.cancelled["talk"].is_set()


async def test_a_drain_lets_them_finish() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(client.post(call(1, "read", gate="g")))
        await at.gates.reached["g"].wait()
        draining = tasks.create_task(at.transport.drain())
        await until(lambda: at.transport.is_draining)
        at.gates.open["g"].set()
        assert text_of(body_of(await running)) == "g"
        await draining


async def test_a_drain_answers_those_that_do_not_finish() -> None:
    async with bench(drain_s=0.1) as at, http_client(at.url, ME, None) as client, asyncio.TaskGroup() as tasks:
        read, write = [
            tasks.create_task(client.post(call(1, tool, gate=gate))) for tool, gate in (("read", "r"), ("write", "w"))
        ]
        await until(lambda: sum(at.gates.ran.values()) == 2)
        await at.transport.drain()
        assert body_of(await read)["error"]["data"] == {"kind": "interrupted"}
        assert body_of(await write)["error"]["data"] == {"kind": "outcome_unknown"}
        refused = await client.post(call(1, "echo", text="x"))
        assert (refused.status, refused.kind, refused.headers["retry-after"]) == (503, "busy", "1")


# --------------------------------------------------------------------- sessions that clients ignore


@pytest.mark.usefixtures("any_broker")
async def test_a_client_that_ignores_its_sessions_may_initialize_as_often_as_it_likes() -> None:
    async with bench(max_sessions_per_principal=2) as at, http_client(at.url, ME) as other:
        assert await other.call(1, "echo", text="x") == "x"
        async with http_client(at.url, ME, None) as client:
            for number in range(6):
                assert (await client.post(opening())).headers["mcp-session-id"]
                assert (await client.post(note("notifications/initialized"))).status == 202
                assert text_of(body_of(await client.post(call(1, "echo", text=f"{number}")))) == f"{number}"
        assert await other.call(1, "echo", text="still here") == "still here"


async def test_the_row_can_be_switched_off() -> None:
    strict = {"habits": ClientHabits(off=["no_session_id"])}
    messages: list[Message] = [
        ask("ping"),
        note("notifications/initialized"),
        {"jsonrpc": "2.0", "id": 1, "result": {}},
    ]
    async with bench(more=strict) as at, http_client(at.url, ME, None) as client:
        for message in messages:
            refused = await client.post(message)
            assert (refused.status, refused.kind) == (400, "no_session")
        assert not served(at)
