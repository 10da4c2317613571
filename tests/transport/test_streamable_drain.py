"""Streamable HTTP on one instance: shutdown of the server, readers that stop reading, streams without a reader."""

import asyncio

import pytest

from tests.kills import kills
from tests.transport.http_client import call, http_client, opening, text_of
from tests.transport.raw_http import unread
from tests.transport.serving import bench, until

ME, YOU = {"x-api-key": "key-me"}, {"x-api-key": "key-you"}


@kills("transport/streamable_http.py", "if self._draining.is_set():", "if False:")
async def test_a_drain_lets_calls_finish_on_their_streams_and_opens_no_session() -> None:
    async with bench() as at, http_client(at.url, ME) as client, client.listen() as standalone:
        async with client.stream(call("a", "write", gate="g")) as response:
            await at.gates.reached["g"].wait()
            drain = asyncio.create_task(at.transport.drain())
            await standalone.end()
            refused = await client.who({"mcp-session-id": ""}).post(opening())
            assert (refused.status, refused.kind, refused.headers["retry-after"]) == (503, "draining", "1")
            assert await client.call("b", "echo", text="still served") == "still served"
            assert not response.ended.is_set()
            at.gates.open["g"].set()
            await response.end()
            await drain
        assert text_of(response.responses("a")[0]) == "g"


@pytest.mark.usefixtures("any_broker")
@pytest.mark.parametrize(("tool", "kind"), [("write", "outcome_unknown"), ("read", "interrupted")])
async def test_a_drain_answers_what_cannot_finish(tool: str, kind: str) -> None:
    async with bench(drain_s=0.1) as at, http_client(at.url, ME, "2025-06-18") as client:
        async with client.stream(call("a", tool, gate="g")) as response:
            await at.gates.reached["g"].wait()
            await at.transport.drain()
            await response.end()
        assert [one["error"]["data"]["kind"] for one in response.received] == [kind]
        late = await client.post(call("late", "write", gate="late"))
        assert late.responses("late")[0]["error"]["data"]["kind"] == "busy"
        assert at.gates.ran["late"] == 0


async def test_too_many_calls_at_once_are_answered_with_an_error_on_their_own_stream() -> None:
    async with bench(max_running_calls=1) as at, http_client(at.url, ME) as client:
        async with client.stream(call("a", "write", gate="g")) as response:
            await at.gates.reached["g"].wait()
            busy = await client.post(call("b", "write", gate="g"))
            assert [one["error"]["data"]["kind"] for one in busy.received] == ["busy"]
            at.gates.open["g"].set()
            await response.end()
        assert at.gates.ran["g"] == 1


# --------------------------------------------------------------------- readers that do not read


@pytest.mark.usefixtures("any_broker")
async def test_a_stopped_reader_affects_only_itself_and_its_responses_are_kept_or_reported_lost() -> None:
    async with (
        bench(max_log_bytes=900_000, max_events=8) as at,
        http_client(at.url, ME, "2025-03-26") as client,
        http_client(at.url, YOU) as other,
    ):
        calls = [call(0, "echo", text="first"), *(call(number, "fill", size=200_000) for number in range(1, 61))]
        async with unread(client, calls) as first:
            await until(lambda: at.counter.total("mcp_requests", method="tools/call") == len(calls))
            assert await other.call(1, "echo", text="unharmed") == "unharmed"
            assert at.transport.stats()["log_bytes"] < 950_000
        rest = await client.get(first)
        responded = {one["id"]: one for one in rest.received}
        assert len(responded) == len(rest.received)
        lost = [one for one in rest.received if one.get("error", {}).get("data", {}).get("kind") == "result_lost"]
        assert len(lost) >= 50
        assert len(rest.received) - len(lost) >= 1
        assert len(set(range(61)) - set(responded)) == 1, "all but the one that was read"


@pytest.mark.usefixtures("any_broker")
async def test_a_stream_that_is_not_read_is_cut_after_a_while_and_its_call_goes_on() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        at.limit(write_s=0.2)
        noisy = call("a", "talk", {"progressToken": "p"}, times=60, size=200_000)
        async with unread(client, noisy) as first:
            await until(lambda: not at.transport.stats()["streams"])
        at.limit(write_s=60.0)
        rest = await client.get(first)
        assert text_of(rest.responses("a")[0]) == "said"
