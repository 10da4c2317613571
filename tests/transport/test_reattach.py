"""S3: a reconnecting client without `Last-Event-ID` is recognised by its response to a ping, at its old endpoint."""

import asyncio
from collections.abc import Iterable
from typing import Any

import httpx2
import pytest

from tests.kills import kills
from tests.transport.dispatch.test_dispatcher import call
from tests.transport.serving import bench, until
from tests.transport.sse_client import SseClient, open_stream, sse_session

pytestmark = pytest.mark.usefixtures("any_broker", "many_pings")

ME, YOU = {"x-api-key": "key-me"}, {"x-api-key": "key-you"}
AGAIN = {"mcp-protocol-version": "2025-11-25"}


def methods(messages: Iterable[dict[str, Any]]) -> list[str]:
    return [message["method"] for message in messages if "method" in message]


@kills("transport/sse.py", "or await self._recognise(connect, stream)", "")
async def test_a_client_gets_its_session_back_with_what_it_missed() -> None:
    async with bench() as at, httpx2.AsyncClient(base_url=at.url, timeout=20) as http:
        client = SseClient(http, ME)
        async with open_stream(client):
            await client.initialize()
            await client.post(call("missed", "read", gate="g"))
            await at.gates.reached["g"].wait()
        at.gates.open["g"].set()
        async with open_stream(client, AGAIN):
            assert client.endpoints[0] == client.endpoints[1]
            assert (await client.response("missed"))["result"]["isError"] is False
            assert (await client.call("echo", text="x"))["isError"] is False
    assert at.gates.ran["g"] == 1


@kills("transport/sessions/event_log.py", "or (event.kind is Kind.RESPONSE and event.written_at >= written_since)", "")
@kills("transport/sessions/valkey/lua/common.lua", "[RESPONSE] = after or certain,", "[RESPONSE] = after or delivered,")
async def test_written_events_may_be_lost_so_responses_are_sent_again_and_notifications_are_not() -> None:
    async with bench() as at, httpx2.AsyncClient(base_url=at.url, timeout=20) as http:
        client = SseClient(http, ME)
        async with open_stream(client):
            await client.initialize()
            await client.post(call("a", "report", {"progressToken": "p"}, steps=2))
            await client.response("a")
        await until(lambda: not at.transport.stats()["streams"])
        seen = len(client.received)
        async with open_stream(client, AGAIN):
            await client.until(lambda: len(client.responses("a")) == 2)
    assert set(methods(client.received[seen:])) == {"ping"}


async def test_a_response_that_was_written_long_ago_is_not_sent_again() -> None:
    async with bench(repeat_s=0) as at, httpx2.AsyncClient(base_url=at.url, timeout=20) as http:
        client = SseClient(http, ME)
        async with open_stream(client):
            await client.initialize()
            await client.call("echo", text="x")
        seen = len(client.received)
        async with open_stream(client, AGAIN):
            await client.call("echo", text="y")
    assert [message["id"] for message in client.received[seen:] if "method" not in message] == [3]


async def test_two_clients_of_one_key_with_the_same_ids_are_distinguished() -> None:
    async with bench() as at, httpx2.AsyncClient(base_url=at.url, timeout=20) as http:
        clients = [SseClient(http, ME) for _ in range(5)]

        async def lives(client: SseClient, name: str) -> None:
            async with open_stream(client):
                await client.initialize()
                await client.post(call("same id", "fill", size=len(name)))
            async with open_stream(client, AGAIN):
                response = await client.response("same id")
                assert len(response["result"]["content"][0]["text"]) == len(name)

        async with asyncio.TaskGroup() as tasks:
            for number, client in enumerate(clients):
                tasks.create_task(lives(client, "x" * (number + 1)))


async def test_the_older_stream_ends_when_its_client_is_recognised_on_a_new_one() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        again = SseClient(client.http, ME)
        again.endpoints = list(client.endpoints)
        async with open_stream(again, AGAIN):
            await client.ended.wait()
            assert again.endpoint == client.endpoint


@kills("transport/dispatch/client_requests.py", "else message.owner == self.owner", "else True")
@pytest.mark.parametrize("who", [YOU, None], ids=["answered by another principal", "not answered"])
async def test_a_client_that_is_not_recognised_gets_a_new_initialized_session(
    who: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench() as at, sse_session(at.url, ME) as mine, sse_session(at.url, YOU) as yours:
        again = SseClient(mine.http, ME)
        again.endpoints = list((mine if who is None else yours).endpoints)
        again.responds_to_pings = False
        stream = asyncio.create_task(new_session(again))
        await again.until(lambda: methods(again.received))
        if who is not None:
            forged = {"jsonrpc": "2.0", "id": again.received[0]["id"], "result": {}}
            assert (await yours.post(forged)).status_code == 202
        monkeypatch.setattr("transport.dispatch.client_requests.RECOGNISE_S", 0.1)
        assert await stream not in {mine.endpoint, yours.endpoint}


async def new_session(client: SseClient) -> str:
    """Reconnect and make a call; return the endpoint of the session."""
    async with open_stream(client, AGAIN):
        assert (await client.call("echo", text="x"))["isError"] is False
        return client.endpoint


async def test_a_client_that_leaves_while_being_recognised_gets_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.dispatch.client_requests.RECOGNISE_S", 0.2)
    async with bench(max_sessions_per_principal=1) as at, httpx2.AsyncClient(base_url=at.url, timeout=20) as http:
        async with http.stream("GET", "/sse", headers=ME | AGAIN) as response:
            async for line in response.aiter_lines():
                if "ping" in line:
                    break
        await until(lambda: not at.transport._dispatcher._back_channel._waiters)
        async with http.stream("GET", "/sse", headers=ME) as first:
            assert first.status_code == 200


async def test_a_client_that_reconnects_during_a_drain_is_sent_away_cleanly() -> None:
    async with bench() as at, sse_session(at.url, ME) as client:
        await at.transport.drain()
        async with client.http.stream("GET", "/sse", headers=ME | AGAIN) as response:
            body = await response.aread()
        assert response.status_code == 200
        assert body.startswith(b"retry: ")
        assert b"endpoint" not in body
