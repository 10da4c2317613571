"""The response to one request of a session: JSON if it is there soon, else a stream that can be resumed."""

import asyncio
from typing import Final

import pytest

from tests.kills import kills
from tests.transport.http_client import call, cancelled, http_client, text_of
from tests.transport.serving import bench, until

pytestmark = pytest.mark.usefixtures("any_broker")

ME: Final = {"x-api-key": "key-me"}
EVENTS: Final = {"accept": "text/event-stream"}
LONG_S: Final = 60.0
"""So long that only what is tested can make a response a stream."""


async def test_a_quick_request_is_answered_with_json_in_every_revision_and_leaves_nothing_open() -> None:
    async with bench(json_s=LONG_S) as at:
        for version in ("2025-03-26", "2025-06-18", "2025-11-25"):
            async with http_client(at.url, ME, version) as client:
                called = await client.post(call(1, "echo", text="x"))
                unknown = await client.post({"jsonrpc": "2.0", "id": 2, "method": "no/such"})
                assert [one.headers["content-type"] for one in (called, unknown)] == ["application/json"] * 2
                assert (called.status, called.headers["cache-control"]) == (200, "no-store")
                assert text_of(called.received[0]) == "x"
                assert (unknown.status, unknown.received[0]["error"]["code"]) == (200, -32601)
        assert not at.transport.stats()["streams"]
        assert at.counter.total("streams_opened") == 0


async def test_a_handler_that_waits_a_moment_is_still_answered_with_json() -> None:
    async with bench(json_s=LONG_S) as at, http_client(at.url, ME) as client:
        running = asyncio.create_task(client.post(call(1, "write", gate="g")))
        await at.gates.reached["g"].wait()
        at.gates.open["g"].set()
        response = await running
        assert (response.is_stream, text_of(response.received[0])) == (False, "g")


@kills("transport/http/single_response.py", "call_later(self._limits.json_s", "call_later(10**4")
async def test_a_slower_request_becomes_a_stream_that_begins_with_its_event_id() -> None:
    async with bench(json_s=0.02) as at, http_client(at.url, ME) as client:
        async with client.stream(call(1, "write", gate="g")) as cut:
            await cut.until(lambda: cut.primed)
        at.gates.open["g"].set()
        rest = await client.get(cut.primed[0])
        assert [text_of(one) for one in rest.received] == ["g"]
        assert (at.gates.ran["g"], at.counter.total("streams_opened")) == (1, 2)


@kills(
    "transport/http/single_response.py",
    "        self._become_other()\n        await self._channel.notify",
    "        await self._channel.notify",
)
async def test_what_a_handler_sends_makes_the_response_a_stream_at_once() -> None:
    async with bench(json_s=LONG_S) as at, http_client(at.url, ME, elicitation={}) as client:
        async with client.stream(call(1, "start_and_wait", {"progressToken": "p"}, gate="g")) as response:
            await response.said("notifications/progress")
            assert (response.is_stream, len(response.primed)) == (True, 1)
            at.gates.open["g"].set()
            await response.end()
        assert text_of(response.responses(1)[0]) == "g"
        async with client.stream(call(2, "ask")) as response:
            asked = await response.said("elicitation/create")
            accepted = {"action": "accept", "content": {"colour": "blue"}}
            await client.post({"jsonrpc": "2.0", "id": asked["id"], "result": accepted})
            await response.end()
        assert "blue" in text_of(response.responses(2)[0])


async def test_a_client_that_takes_no_json_gets_a_stream() -> None:
    async with bench(json_s=LONG_S) as at, http_client(at.url, ME | EVENTS) as client:
        response = await client.post(call(1, "echo", text="x"))
        assert (response.is_stream, len(response.primed), text_of(response.received[0])) == (True, 1, "x")


async def test_a_client_that_leaves_before_its_json_cancels_nothing() -> None:
    async with bench(json_s=LONG_S) as at, http_client(at.url, ME) as client:
        leaving = asyncio.create_task(client.post(call(1, "write", gate="g")))
        await at.gates.reached["g"].wait()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert await client.call(2, "echo", text="still here") == "still here"
        at.gates.open["g"].set()
        await until(lambda: at.counter.total("mcp_requests", method="tools/call") == 2)
        assert not at.gates.cancelled["g"].is_set()
        assert at.gates.ran["g"] == 1
        await until(lambda: not at.transport.stats()["streams"])


async def test_a_repeat_takes_the_response_over_before_it_is_json() -> None:
    async with bench(json_s=LONG_S) as at, http_client(at.url, ME) as client:
        first = asyncio.create_task(client.post(call(1, "write", gate="g")))
        await at.gates.reached["g"].wait()
        async with client.stream(call(1, "write", gate="g")) as again:
            at.gates.open["g"].set()
            await again.end()
        assert ((await first).received, text_of(again.responses(1)[0])) == ([], "g")
        assert at.gates.ran["g"] == 1


async def test_a_cancelled_request_and_one_of_an_ended_session_end_before_their_json() -> None:
    async with bench(json_s=LONG_S) as at, http_client(at.url, ME) as client:
        running = asyncio.create_task(client.post(call(1, "write", gate="g")))
        await at.gates.reached["g"].wait()
        await client.post(cancelled(1))
        assert [one["error"]["code"] for one in (await running).received] == [-32800]
        running = asyncio.create_task(client.post(call(2, "write", gate="h")))
        await at.gates.reached["h"].wait()
        await client.delete()
        assert (await running).received == []
        await at.gates.cancelled["h"].wait()
