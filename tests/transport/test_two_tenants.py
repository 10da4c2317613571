"""Two organisations, each with a user of the same name: neither reaches, reads, cancels or crowds out the other.

A session belongs to an organisation and a user; a name alone gives no access, and another principal's session is
reported like one that never existed.
"""

import asyncio

import pytest

from shared.rate import Rate
from tests.kills import kills
from tests.transport.brokers import Quiet
from tests.transport.brokers import opened as opened_by
from tests.transport.dispatch.test_context import a_channel, sent
from tests.transport.dispatch.test_dispatcher import call, cancelled, question, with_elicitation
from tests.transport.http_client import call as calling
from tests.transport.http_client import cancelled as cancelling
from tests.transport.http_client import http_client, opening
from tests.transport.serving import bench, until
from tests.transport.sse_client import SseClient, open_stream, sse_session
from tests.transport.test_many_instances import client_of, instances, post_to
from tests.transport.test_reattach import new_session
from tests.transport.test_streamable_http_stateless import said, tool
from tests.transport.test_streamable_refusals import every_way_in
from transport.dispatch import client_requests
from transport.dispatch.context import Address
from transport.rate_limit import Rates
from transport.sessions.broker import InstanceMessage, SessionGoneError
from transport.sessions.claims import RequestClaim
from transport.sessions.valkey.broker import ValkeyBroker

OURS, THEIRS = {"x-api-key": "key-me@ours"}, {"x-api-key": "key-me@theirs"}
UNKNOWN = "x" * 43


@pytest.mark.usefixtures("any_broker")
class TestOverSse:
    """HTTP+SSE."""

    @kills("shared/identity.py", "return (self.tenant.id, self.id)", 'return ("", self.id)')
    async def test_a_message_to_a_session_of_the_other_finds_none(self) -> None:
        async with bench() as at, sse_session(at.url, OURS) as ours:
            messages = [call(9, "echo", text="x"), cancelled(1), {"jsonrpc": "2.0", "id": "q", "result": {}}]
            for message in messages:
                foreign = await ours.post(message, **THEIRS)
                unknown = await ours.http.post(f"/messages?session_id={UNKNOWN}", json=message, headers=THEIRS)
                assert (foreign.status_code, foreign.content) == (404, unknown.content)
            assert not at.gates.ran["echo"]

    async def test_a_last_event_id_of_the_other_gets_a_session_of_ones_own(self) -> None:
        async with bench() as at, sse_session(at.url, OURS) as ours:
            await ours.call("echo", text="secret")
            again = THEIRS | {"last-event-id": f"{ours.last_event_id}".rpartition(":")[0] + ":0"}
            async with sse_session(at.url, again) as theirs:
                assert theirs.endpoint != ours.endpoint
                assert "secret" not in str(theirs.received)
                assert not ours.ended.is_set(), "its stream was taken over"
                assert (await ours.call("echo", text="still here"))["isError"] is False

    async def test_an_answer_of_the_other_to_the_ping_of_a_reconnect_finds_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client_requests, "RECOGNISE_S", 0.2)
        async with bench() as at, sse_session(at.url, OURS) as ours, sse_session(at.url, THEIRS) as theirs:
            again = SseClient(ours.http, OURS)
            again.responds_to_pings = False
            again.endpoints = list(ours.endpoints)
            endpoint = asyncio.create_task(new_session(again))
            await again.until(lambda: again.received)
            pong = {"jsonrpc": "2.0", "id": again.received[0]["id"], "result": {}}
            assert (await theirs.post(pong)).status_code == 202
            assert await endpoint not in {ours.endpoint, theirs.endpoint}
            assert not theirs.ended.is_set()

    async def test_a_cancel_of_the_other_cancels_only_what_is_theirs(self) -> None:
        async with bench() as at, sse_session(at.url, OURS) as ours, sse_session(at.url, THEIRS) as theirs:
            await ours.post(call("x", "write", gate="ours"))
            await theirs.post(call("x", "write", gate="theirs"))
            await at.gates.reached["ours"].wait()
            await at.gates.reached["theirs"].wait()
            assert (await theirs.post(cancelled("x"))).status_code == 202
            await at.gates.cancelled["theirs"].wait()
            at.gates.open["ours"].set()
            assert (await ours.response("x"))["result"]["isError"] is False
            assert not at.gates.cancelled["ours"].is_set()

    async def test_a_response_of_the_other_to_a_server_request_is_ignored(self) -> None:
        async with (
            bench() as at,
            sse_session(at.url, THEIRS) as theirs,
            sse_session(at.url, OURS, initialize=False) as ours,
        ):
            await with_elicitation(ours)
            await ours.post(call("x", "ask"))
            asked = await question(ours)
            for client, colour in ((theirs, "forged"), (ours, "red")):
                said = {"action": "accept", "content": {"colour": colour}}
                assert (await client.post({"jsonrpc": "2.0", "id": asked["id"], "result": said})).status_code == 202
            assert "red" in (await ours.response("x"))["result"]["content"][0]["text"]


@pytest.mark.usefixtures("any_broker")
class TestOverStreamableHttp:
    """Sessions on /mcp, and requests of 2026-07-28."""

    async def test_a_session_of_the_other_is_unknown_in_every_way(self) -> None:
        async with bench() as at, http_client(at.url, OURS) as ours:
            last = (await ours.post(calling(1, "echo", text="x"))).last_event_id
            foreign = await every_way_in(ours.who(THEIRS), last)
            unknown = await every_way_in(ours.who(THEIRS | {"mcp-session-id": UNKNOWN}), f"{UNKNOWN}::0")
            assert {one.status for one in [*foreign, *unknown]} == {404}
            assert len({one.body for one in [*foreign, *unknown]}) == 1
            assert at.gates.ran["echo"] == 1
            assert await ours.call(2, "echo", text="not ended") == "not ended"

    async def test_an_event_of_the_other_is_no_place_to_resume_from(self) -> None:
        async with bench() as at, http_client(at.url, OURS) as ours, http_client(at.url, THEIRS) as theirs:
            last = (await ours.post(calling(1, "echo", text="secret"), accept="text/event-stream")).last_event_id
            refused = await theirs.get(last)
            assert (refused.status, refused.kind) == (400, "unknown_event")
            # The names of streams are made from request ids, which any client can guess.
            assert (await theirs.get(last.replace(ours.session, theirs.session))).status == 400

    async def test_a_cancel_or_an_answer_of_the_other_finds_nothing(self) -> None:
        async with (
            bench() as at,
            http_client(at.url, THEIRS) as theirs,
            http_client(at.url, OURS, elicitation={}) as ours,
            ours.stream(calling("x", "ask")) as response,
        ):
            asked = await response.said("elicitation/create")
            forged = {"action": "accept", "content": {"colour": "forged"}}
            for message in (cancelling("x"), {"jsonrpc": "2.0", "id": asked["id"], "result": forged}):
                assert (await theirs.post(message)).status == 202
                assert (await ours.who(THEIRS).post(message)).status == 404
            true = {"action": "accept", "content": {"colour": "red"}}
            await ours.post({"jsonrpc": "2.0", "id": asked["id"], "result": true})
            await response.end()
            assert "red" in response.responses("x")[0]["result"]["content"][0]["text"]

    async def test_a_cancel_of_2026_07_28_cancels_nothing_of_the_other(self) -> None:
        async with bench() as at, http_client(at.url, OURS, None) as ours:
            running = asyncio.create_task(said(ours, tool("write", gate="g")))
            await at.gates.reached["g"].wait()
            note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
            assert (await ours.who(THEIRS).post(note, **{"mcp-protocol-version": "2026-07-28"})).status == 202
            at.gates.open["g"].set()
            assert (await running).status == 200

    @kills("transport/sessions/session.py", " and 9 * mine < 8 * most", "")
    async def test_one_that_takes_every_exchange_leaves_some_to_the_other(self) -> None:
        async with (
            bench(max_exchanges=10) as at,
            http_client(at.url, OURS, None) as ours,
            http_client(at.url, THEIRS, None) as theirs,
            asyncio.TaskGroup() as tasks,
        ):
            crowd = [tasks.create_task(said(ours, tool("read", gate="g"))) for _ in range(12)]
            await until(lambda: at.gates.ran["g"] + sum(one.done() for one in crowd) == 12)
            assert {one.result().kind for one in crowd if one.done()} == {"busy"}
            assert (await said(theirs, tool("echo", text="x"))).status == 200
            at.gates.open["g"].set()

    async def test_the_caps_and_limits_of_one_are_not_those_of_the_other(self) -> None:
        tight = Rate(1, 1)
        rates = Rates(read=tight, write=tight, tenant_read=tight, tenant_write=tight)
        offered = {"rates": rates}
        async with (
            bench(max_sessions_per_principal=2, max_streams_per_principal=1, more=offered) as at,
            http_client(at.url, OURS) as ours,
        ):
            assert await ours.call(1, "echo", text="x") == "x"
            async with sse_session(at.url, OURS):
                no_session = {"mcp-session-id": ""}
                assert (await ours.get()).status == 429
                assert (await ours.who(no_session).post(opening())).status == 429
                assert (await said(ours.who(no_session), tool("echo", text="x"))).status == 429
                async with http_client(at.url, THEIRS) as theirs, sse_session(at.url, THEIRS):
                    assert await theirs.call(1, "echo", text="x") == "x"


# --------------------------------------------------------------------- across instances, and in single parts


@pytest.mark.usefixtures("patience")
async def test_across_instances_the_other_finds_nothing_either(broker_url: str) -> None:
    async with instances(broker_url) as (a, b), client_of(a, OURS) as ours, open_stream(ours):
        await ours.initialize()
        await post_to(a, ours, call("x", "write", gate="g"))
        await a.gates.reached["g"].wait()
        intruder = SseClient(ours.http, THEIRS)
        intruder.endpoint = ours.endpoint
        for at in (a, b):
            assert await post_to(at, intruder, cancelled("x")) == 404
            assert await post_to(at, intruder, call("y", "echo", text="x")) == 404
        async with sse_session(b.url, THEIRS) as theirs:
            await theirs.post(cancelled("x"))
            await theirs.call("echo", text="by now the cancellation has been forwarded")
        a.gates.open["g"].set()
        assert (await ours.response("x"))["result"]["isError"] is False


@pytest.mark.usefixtures("patience")
async def test_a_broker_knows_no_session_by_a_name_alone(broker_url: str) -> None:
    broker = ValkeyBroker(broker_url)
    async with broker.run(Quiet()):
        await until(lambda: broker.is_up)
        session = await opened_by(broker, ("ours", "me"))
        claims = [RequestClaim(1, b"digest")]
        with pytest.raises(SessionGoneError):
            await broker.claim(session.id, ("theirs", "me"), session.wire, claims, own_stream=False)
        await broker.end(session.id)


async def test_progress_of_the_other_on_a_question_is_not_heard() -> None:
    channel, session, stream = await a_channel()
    heard: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    question = asyncio.create_task(channel.send_request(Address(session), "ping", None, {"on_progress": on_progress}))
    (asked,) = await sent(stream)
    token = asked["params"]["_meta"]["progressToken"]
    foreign = ("theirs", "me")
    await channel.forward(
        InstanceMessage("progressed", UNKNOWN, foreign, token, {"progressToken": token, "progress": 1})
    )
    await channel.forward(InstanceMessage("answered", UNKNOWN, foreign, asked["id"], {"result": {"forged": True}}))
    await channel.forward(
        InstanceMessage("answered", session, ("default", "me"), asked["id"], {"result": {"ok": True}})
    )
    assert (await question, heard) == ({"ok": True}, [])
