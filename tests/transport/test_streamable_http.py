"""Streamable HTTP with a handshake, one instance: sessions, the stream of each POST, resume, cancel, repeats."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import pytest

from tests.kills import kills
from tests.transport.http_client import call, cancelled, http_client, opening, text_of
from tests.transport.serving import bench, until

pytestmark = pytest.mark.usefixtures("any_broker")

ME, YOU = {"x-api-key": "key-me"}, {"x-api-key": "key-you"}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
HANDSHAKE = ["2025-03-26", "2025-06-18", "2025-11-25"]


# --------------------------------------------------------------------- the response to a POST


async def test_initialize_is_answered_with_json_and_a_session_id() -> None:
    async with bench() as at:
        for version in HANDSHAKE:
            async with http_client(at.url, ME, None) as client:
                response = await client.initialize(version)
                assert response.responses("opening")[0]["result"]["protocolVersion"] == version
                assert (len(response.received), response.is_stream) == (1, False)
                assert all(0x21 <= ord(letter) <= 0x7E for letter in client.session)
                assert len(client.session) >= 32
                assert "mcp-session-id" not in (await client.post(call(1, "echo", text="x"))).headers


@kills("transport/http/event_stream.py", ' or source.name != ""', "")
async def test_a_call_that_takes_longer_is_answered_on_the_stream_of_its_post_which_then_ends() -> None:
    async with bench(json_s=0.0) as at, http_client(at.url, ME) as client:
        async with client.stream(call(1, "read", gate="hello")) as response:
            at.gates.open["hello"].set()
            await response.end()
        assert (response.status, response.is_stream) == (200, True)
        assert [text_of(one) for one in response.received] == ["hello"]
        assert (response.headers["cache-control"], response.headers["x-accel-buffering"]) == ("no-store", "no")
        assert 500 <= response.retry_ms <= 3000


@kills("transport/streamable_http.py", " if is_primed else None", "")
async def test_only_clients_that_reconnect_get_an_event_without_data_first() -> None:
    async with bench() as at:
        for version in HANDSHAKE:
            async with http_client(at.url, ME, version) as client:
                said = [await client.post(call(n, "report", {"progressToken": "p"}, steps=1)) for n in (1, 2)]
                expected = 1 if version == "2025-11-25" else 0
                assert [len(one.primed) for one in said] == [expected, expected]
                ids = [*said[0].primed, *said[0].ids, *said[1].primed, *said[1].ids]
                assert len(set(ids)) == 2 * expected + 4
                assert all(str(one).startswith(client.session) for one in ids)


async def test_notifications_and_answers_of_the_client_are_202_without_a_body() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        said = [INITIALIZED, {"jsonrpc": "2.0", "id": "x:1", "result": {}}, cancelled("nothing")]
        for message in said:
            response = await client.post(message)
            assert (response.status, response.received) == (202, [])


async def test_a_batch_is_answered_on_one_stream_that_ends_after_the_last_answer() -> None:
    async with bench() as at, http_client(at.url, ME, "2025-03-26") as client:
        batch = [call("a", "read", gate="g"), INITIALIZED, call("b", "echo", text="B")]
        async with client.stream(batch) as response:
            assert text_of(await response.response("b")) == "B"
            await at.gates.reached["g"].wait()
            assert not response.ended.is_set()
            at.gates.open["g"].set()
            await response.end()
        assert [one["id"] for one in response.received] == ["b", "a"]
        assert (await client.post([INITIALIZED, cancelled("nothing")])).status == 202


async def test_what_a_call_says_while_it_runs_comes_on_its_own_stream() -> None:
    async with bench() as at, http_client(at.url, ME) as client, client.listen() as standalone:
        async with (
            client.stream(call("a", "start_and_wait", {"progressToken": "p"}, gate="a")) as a,
            client.stream(call("b", "start_and_wait", {"progressToken": "q"}, gate="b")) as b,
        ):
            for response, token in ((a, "p"), (b, "q")):
                assert (await response.said("notifications/progress"))["params"]["progressToken"] == token
                assert (await response.said("notifications/message"))["params"]["data"] == "started"
            at.gates.open["b"].set()
            await b.end()
            at.gates.open["a"].set()
            await a.end()
        assert [len(one.received) for one in (a, b, standalone)] == [3, 3, 0]


async def test_a_question_comes_on_the_stream_of_its_call_and_is_answered_by_another_post() -> None:
    async with bench() as at, http_client(at.url, ME, elicitation={}) as client:
        async with client.stream(call("a", "ask")) as response:
            asked = await response.said("elicitation/create")
            accepted = {"action": "accept", "content": {"colour": "blue"}}
            assert (await client.post({"jsonrpc": "2.0", "id": asked["id"], "result": accepted})).status == 202
            await response.end()
        assert "blue" in text_of(response.responses("a")[0])


async def test_a_silent_call_keeps_its_stream_alive_with_comments() -> None:
    async with bench(heartbeat_s=0.02) as at, http_client(at.url, ME) as client:
        async with client.stream(call("a", "read", gate="g")) as response:
            await response.until(lambda: response.comments >= 3)
            at.gates.open["g"].set()
            await response.end()
        assert len(response.received) == 1


async def test_handlers_know_the_caller_but_not_the_credential() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        known = await client.call(1, "whoami")
        assert known.startswith("me [")
        assert "x-api-key" not in known


# --------------------------------------------------------------------- disconnecting and reconnecting


@kills("transport/sessions/valkey/lua/common.lua", "fields[12] == stream and number", "number")
async def test_leaving_is_not_cancelling_and_the_rest_comes_by_last_event_id() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        async with client.stream(call("a", "start_and_wait", {"progressToken": "p"}, gate="g")) as cut:
            await cut.said("notifications/progress")
        await until(lambda: not at.transport.stats()["streams"])
        await client.call("b", "echo", text="of another stream")
        async with client.listen(cut.ids[0] or "") as rest:
            assert (await rest.said("notifications/message"))["params"]["data"] == "started"
            at.gates.open["g"].set()
            await rest.end()
        assert [one.get("id") for one in rest.received] == [None, "a"]
        assert rest.primed == []
        assert at.gates.ran["g"] == 1


async def test_what_finished_meanwhile_comes_by_the_id_of_the_first_event() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        async with client.stream(call("a", "read", gate="g")) as cut:
            await cut.until(lambda: cut.primed)
            await at.gates.reached["g"].wait()
        await until(lambda: not at.transport.stats()["streams"])
        at.gates.open["g"].set()
        await until(lambda: at.counter.total("mcp_requests", method="tools/call"))
        rest = await client.get(cut.last_event_id)
        assert [text_of(one) for one in rest.received] == ["g"]
        assert (await client.get(rest.last_event_id)).received == []


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18"])
async def test_earlier_revisions_resume_from_any_event_they_got(version: str) -> None:
    async with bench() as at, http_client(at.url, ME, version) as client:
        async with client.stream(call("a", "start_and_wait", {"progressToken": "p"}, gate="g")) as cut:
            await cut.said("notifications/progress")
        at.gates.open["g"].set()
        rest = await client.get(cut.ids[0] or "")
        assert text_of(rest.responses("a")[0]) == "g"


async def test_the_stream_of_an_earlier_epoch_is_not_mixed_up_with_one_of_the_same_ids() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        await client.call(1, "echo", text="of the first epoch")
        await client.post(opening())
        await client.post(INITIALIZED)
        async with client.stream(call(1, "read", gate="g")) as cut:
            await cut.until(lambda: cut.primed)
        at.gates.open["g"].set()
        rest = await client.get(cut.last_event_id)
        assert [text_of(one) for one in rest.received] == ["g"]


async def test_a_handler_may_end_its_stream_and_the_client_reconnects() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        ended = await client.post(call("a", "hang_up", gate="g"))
        assert (ended.received, len(ended.primed)) == ([], 1)
        assert ended.retry_ms >= 500
        async with client.listen(ended.last_event_id) as rest:
            await at.gates.reached["g"].wait()
            at.gates.open["g"].set()
            await rest.end()
        assert text_of(rest.responses("a")[0]) == "g"


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18"])
async def test_clients_that_would_not_reconnect_keep_their_stream(version: str) -> None:
    async with bench() as at, http_client(at.url, ME, version) as client:
        async with client.stream(call("a", "hang_up", gate="g")) as response:
            await at.gates.reached["g"].wait()
            at.gates.open["g"].set()
            await response.end()
        assert text_of(response.responses("a")[0]) == "g"


async def test_a_stream_ends_at_its_age_and_goes_on_where_it_was() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        at.limit(stream_s=0.05, overtime_s=0.05)
        first = await client.post(call("a", "read", gate="g"))
        second = await client.get(first.last_event_id)
        assert (first.received, second.received, second.retry_ms > 0) == ([], [], True)
        at.limit(stream_s=60.0)
        at.gates.open["g"].set()
        third = await client.get(first.last_event_id)
        assert text_of(third.responses("a")[0]) == "g"


async def test_a_second_reader_of_a_stream_replaces_the_first() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        async with client.stream(call("a", "read", gate="g")) as first:
            await first.until(lambda: first.primed)
            async with client.listen(first.last_event_id) as second:
                await first.end()
                at.gates.open["g"].set()
                await second.end()
        assert (len(first.received), len(second.received)) == (0, 1)


# --------------------------------------------------------------------- cancel and repeat


@pytest.mark.parametrize("tool", ["write", "stubborn"])
async def test_a_cancelled_call_ends_its_stream_with_an_error(tool: str) -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        async with client.stream(call(7, tool, gate="g")) as response:
            await at.gates.reached["g"].wait()
            assert (await client.post(cancelled(7))).status == 202
            await at.gates.cancelled["g"].wait()
            await response.end()
        assert [one["error"]["code"] for one in response.received] == [-32800]


async def test_one_session_cannot_cancel_the_call_of_another() -> None:
    async with bench() as at, http_client(at.url, ME) as mine, http_client(at.url, ME) as other:
        async with mine.stream(call(7, "write", gate="g")) as response:
            await at.gates.reached["g"].wait()
            await other.post(cancelled(7))
            await other.call(1, "echo", text="x")
            at.gates.open["g"].set()
            await response.end()
        assert text_of(response.responses(7)[0]) == "g"


async def test_a_repeat_while_the_call_runs_takes_its_stream_over_and_runs_nothing() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        async with client.stream(call(7, "write", gate="g")) as first:
            await at.gates.reached["g"].wait()
            async with client.stream(call(7, "write", gate="g")) as again:
                await first.end()
                at.gates.open["g"].set()
                await again.end()
        assert (first.received, text_of(again.responses(7)[0])) == ([], "g")
        assert at.gates.ran["g"] == 1


async def test_a_repeat_after_the_answer_runs_again() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        at.gates.open["g"].set()
        for _ in range(2):
            assert text_of((await client.post(call(7, "write", gate="g"))).responses(7)[0]) == "g"
        assert at.gates.ran["g"] == 2


async def test_a_reader_that_joined_a_running_post_resumes_it_by_its_own_event_id() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        async with client.stream(call(7, "write", gate="g")) as first:
            await at.gates.reached["g"].wait()
            async with client.stream(call(7, "write", gate="g")) as again:
                await again.until(lambda: again.primed)
                await first.end()
        at.gates.open["g"].set()
        for one in (first, again):
            assert text_of((await client.get(one.primed[0])).responses(7)[0]) == "g"
        assert at.gates.ran["g"] == 1


async def test_a_batch_that_repeats_a_part_of_what_runs_is_refused_whole() -> None:
    async with bench() as at, http_client(at.url, ME, "2025-03-26") as client:
        async with client.stream(call(7, "write", gate="g")) as response:
            await at.gates.reached["g"].wait()
            refused = await client.post([call(7, "write", gate="g"), call(8, "echo", text="new")])
            assert (refused.status, refused.kind, refused.received[0]["id"]) == (400, "request_id_reused", 7)
            at.gates.open["g"].set()
            await response.end()
        assert (at.gates.ran["g"], at.gates.ran["echo"]) == (1, 0)
        again = await client.post([call(7, "write", gate="g"), call(8, "echo", text="new")])
        assert {one["id"] for one in again.received} == {7, 8}


async def test_requests_with_one_id_run_beside_each_other_and_each_is_resumed_after_a_cut() -> None:
    async with bench() as at, http_client(at.url, ME) as client, AsyncExitStack() as stack:
        cut = [await stack.enter_async_context(client.stream(call(1, "read", gate=gate))) for gate in "abc"]
        for gate, response in zip("abc", cut, strict=True):
            await at.gates.reached[gate].wait()
            await response.until(partial(getattr, response, "primed"))
        await stack.aclose()
        for gate in "cba":  # the first is the slowest
            at.gates.open[gate].set()
        rest = [await client.get(response.primed[0]) for response in cut]
        assert [[text_of(one) for one in response.received] for response in rest] == [["a"], ["b"], ["c"]]
        assert [at.gates.ran[gate] for gate in "abc"] == [1, 1, 1]


@kills("transport/dispatch/inbox.py", "running if len(running) == 1 else ()", "running")
async def test_a_cancellation_of_an_id_that_runs_more_than_once_is_ignored_and_counted() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        async with client.stream(call(1, "read", gate="a")) as a, client.stream(call(1, "read", gate="b")) as b:
            for gate in "ab":
                await at.gates.reached[gate].wait()
            assert (await client.post(cancelled(1))).status == 202
            assert at.counter.total("mcp_cancellations_ignored") == 1
            at.gates.open["a"].set()
            await a.end()
            assert (await client.post(cancelled(1))).status == 202
            await b.end()
        assert (text_of(a.received[0]), b.received[0]["error"]["code"]) == ("a", -32800)


# --------------------------------------------------------------------- GET and DELETE


async def test_the_standalone_stream_gets_what_belongs_to_no_call_and_nothing_else() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        async with client.listen() as standalone:
            await standalone.until(lambda: standalone.retry_ms)
            said = await client.post(call("a", "announce"))
            await standalone.said("notifications/tools/list_changed")
        assert [one.get("id") for one in said.received] == ["a"]
        assert [one["method"] for one in standalone.received] == ["notifications/tools/list_changed"]
        assert standalone.primed == []
        async with client.listen(standalone.last_event_id) as again:
            await client.call("b", "announce")
            await again.said("notifications/tools/list_changed")
        assert len(again.received) == 1


async def test_a_second_standalone_stream_replaces_the_first() -> None:
    async with bench() as at, http_client(at.url, ME) as client, client.listen() as first:
        await first.until(lambda: first.retry_ms)
        async with client.listen() as second:
            await first.end()
            await client.call("a", "announce")
            await second.said("notifications/tools/list_changed")
        assert first.received == []


async def test_delete_ends_the_session_with_its_calls_and_streams() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        async with client.listen() as standalone, client.stream(call("a", "write", gate="g")) as response:
            await at.gates.reached["g"].wait()
            deleted = await client.delete()
            assert (deleted.status, deleted.received) == (204, [])
            await at.gates.cancelled["g"].wait()
            await asyncio.gather(response.end(), standalone.end())
        assert response.received == []
        assert [(await client.delete()).status, (await client.post(call("b", "echo", text="x"))).status] == [404, 404]
        assert (await client.get()).status == 404
