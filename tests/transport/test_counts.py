"""What the metrics say of calls that were cancelled or refused, and of streams: each once, with its reason."""

import asyncio
from typing import Any, Final

import httpx2
import pytest

from shared.counting import TallyCounter
from shared.identity import Principal
from shared.metrics.limits import limits_reached
from shared.rate import Rate
from tests.transport.http_client import ENVELOPE, MODERN, call, cancelled, http_client
from tests.transport.people import People, key, person
from tests.transport.serving import Bench, bench, until
from tests.transport.sse_client import SseClient, open_stream, sse_session
from transport.http.event_stream import EventStreamResponse, OpenStreams
from transport.rate_limit import Rates
from transport.sessions.session import Limits

ME: Final = {"x-api-key": "key-me"}
AGAIN: Final = {"mcp-protocol-version": "2025-11-25"}
MANY: Final = Rate(1_000_000, 1_000_000)
ONE: Final = {"rates": Rates(read=Rate(1, 1), write=MANY, tenant_read=MANY, tenant_write=MANY)}
NAMED: Final = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call"}


def durations(at: Bench, method: str, wire: str, error: str, revision: str | None = None) -> int:
    """Return how many requests ended so."""
    return at.counter.histogram("operations").count(method, None, revision, wire, error)


def all_of(at: Bench) -> int:
    """Return how many requests ended."""
    return at.counter.histogram("operations").count(None, None, None, None, None)


def reached(counter: TallyCounter) -> dict[str, float]:
    """Return which limits were reached, and how often."""
    return {reading.values[0]: reading.value for reading in limits_reached(counter) if reading.value}


async def test_a_call_that_its_client_cancels_is_counted_once() -> None:
    async with bench() as at, http_client(at.url, ME) as client, client.stream(call(5, "read", gate="a")):
        await at.gates.reached["a"].wait()
        await client.post(cancelled(5))
        await until(lambda: durations(at, "tools/call", "streamable_http", "cancelled", "2025-11-25") == 1)
        assert all_of(at) == 2


async def test_a_client_of_2026_07_28_that_leaves_has_cancelled_its_call() -> None:
    async with bench() as at, http_client(at.url, ME, None) as client:
        async with client.stream(call(5, "read", ENVELOPE, gate="a"), **NAMED, **{"mcp-name": "read"}) as response:
            await at.gates.reached["a"].wait() if not response.ended.is_set() else None
        await until(lambda: durations(at, "tools/call", "streamable_http", "cancelled", MODERN) == 1)
        assert all_of(at) == 1


@pytest.mark.usefixtures("any_broker")
async def test_requests_over_their_rate_are_counted_with_the_limit() -> None:
    async with bench(more=ONE) as at, http_client(at.url, ME) as client:
        for number in range(3):
            await client.post({"jsonrpc": "2.0", "id": number, "method": "tools/list"})
        assert durations(at, "tools/list", "streamable_http", "rate_limited", "2025-11-25") == 2
        assert at.counter.total("mcp_requests", method="tools/list", outcome="rate_limited") == 2
        assert all_of(at) == 4
        assert reached(at.counter) == {"rate": 2}


async def test_requests_of_2026_07_28_over_their_rate_are_counted_with_the_limit() -> None:
    async with bench(more=ONE) as at, http_client(at.url, ME, None) as client:
        for number in range(3):
            message = {"jsonrpc": "2.0", "id": number, "method": "tools/list", "params": {"_meta": ENVELOPE}}
            await client.post(message, **(NAMED | {"mcp-method": "tools/list"}))
        assert durations(at, "tools/list", "streamable_http", "rate_limited", MODERN) == 2
        assert all_of(at) == 3
        assert reached(at.counter) == {"rate": 2}


async def test_a_call_for_which_a_session_has_no_room_is_counted() -> None:
    async with bench(max_running_calls=1) as at, sse_session(at.url, ME) as client:
        await client.post(call("first", "read", gate="a"))
        await at.gates.reached["a"].wait()
        refused = await client.request("tools/list")
        at.gates.open["a"].set()
        await client.response("first")

        assert refused["error"]["data"]["kind"] == "busy"
        assert durations(at, "tools/list", "sse", "busy", "2025-11-25") == 1
        assert all_of(at) == 3
        assert reached(at.counter) == {"requests": 1}


async def test_a_request_for_which_an_instance_has_no_room_is_counted() -> None:
    async with bench(max_exchanges=0) as at, http_client(at.url, ME, None) as client:
        refused = await client.post(call(1, "echo", ENVELOPE, text="x"), **NAMED, **{"mcp-name": "echo"})

        assert (refused.status, refused.kind) == (503, "busy")
        assert at.counter.histogram("operations").count("tools/call", "echo", MODERN, "streamable_http", "busy") == 1
        assert all_of(at) == 1
        assert reached(at.counter) == {"requests": 1}


async def test_sessions_and_streams_beyond_their_limits_are_counted() -> None:
    async with bench(max_sessions=1, max_streams_per_principal=1) as at, http_client(at.url, ME) as client:
        async with client.listen() as first:
            await first.until(lambda: first.retry_ms)
            assert (await client.get()).kind == "too_many_streams"
        other = client.who({"mcp-session-id": "", "mcp-protocol-version": ""})
        initialize: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
        assert (await other.post(initialize)).kind == "too_many_sessions"

        assert durations(at, "initialize", "streamable_http", "too_many_sessions") == 1
        assert reached(at.counter) == {"sessions": 1, "streams": 1}


async def test_messages_and_responses_that_are_too_large_are_counted() -> None:
    async with bench(max_body_bytes=2000) as at, http_client(at.url, ME) as client:
        assert (await client.post(call(1, "echo", text="x" * 3000))).status == 413
        await client.call(2, "fill", size=20_000_000)

        assert reached(at.counter) == {"body": 1, "response": 1}


# --------------------------------------------------------------------- streams


def ended(at: Bench, wire: str, reason: str) -> bool:
    """Return whether exactly one stream ended, for this reason."""
    return at.counter.total("streams_ended") == at.counter.total("streams_ended", wire=wire, reason=reason) == 1


async def test_a_stream_whose_client_leaves_is_counted_and_so_is_its_return() -> None:
    async with bench() as at, httpx2.AsyncClient(base_url=at.url, timeout=20) as http:
        client = SseClient(http, ME)
        async with open_stream(client):
            await client.initialize()
        await until(lambda: ended(at, "sse", "client_gone"))
        assert at.counter.total("streams_resumed") == 0
        async with open_stream(client, AGAIN):
            assert at.counter.total("streams_resumed", wire="sse") == 1
            assert at.counter.total("streams_opened", wire="sse") == 2


async def test_a_stream_that_is_resumed_by_its_last_event_is_counted() -> None:
    async with bench() as at, http_client(at.url, ME) as client:
        async with client.stream(call(5, "read", gate="a")) as first:
            await first.until(lambda: first.primed)
        at.gates.open["a"].set()
        resumed = await client.get(first.last_event_id)

        assert resumed.responses(5)
        assert at.counter.total("streams_resumed", wire="streamable_http") == 1
        await until(lambda: at.counter.total("streams_ended", reason="answered") == 1)


async def test_a_stream_that_is_old_is_rotated() -> None:
    async with bench(stream_s=0.05) as at, http_client(at.url, ME) as client:
        await client.get()
        await until(lambda: ended(at, "streamable_http", "rotated"))


async def test_a_stream_that_another_one_replaces_is_counted() -> None:
    async with bench() as at, http_client(at.url, ME) as client, client.listen() as first:
        await first.until(lambda: first.retry_ms)
        async with client.listen() as second:
            await second.until(lambda: second.retry_ms)
            await until(lambda: ended(at, "streamable_http", "replaced"))


async def test_a_drain_ends_streams_for_that_reason() -> None:
    async with bench() as at, http_client(at.url, ME) as client, client.listen() as stream:
        await stream.until(lambda: stream.retry_ms)
        await at.transport.drain()
        await stream.end()
        await until(lambda: ended(at, "streamable_http", "drained"))


async def test_a_revoked_credential_ends_its_streams_for_that_reason() -> None:
    people = People(first=person("first"))
    async with (
        bench(more={"auth_provider": people, "recheck_s": 0.02}) as at,
        http_client(at.url, key("first")) as client,
        client.listen() as stream,
    ):
        await stream.until(lambda: stream.retry_ms)
        people.revoked.add("first")
        await stream.end()
        await until(lambda: ended(at, "streamable_http", "revoked"))


async def test_a_stream_that_is_not_read_is_ended_for_that_reason() -> None:
    async def never(*_: object) -> Any:
        await asyncio.Event().wait()

    async def nothing(_: object) -> None:
        """Have nothing to stream."""

    counter = TallyCounter()
    slot = OpenStreams(most=1, counter=counter).slot(Principal("me"))
    stream = EventStreamResponse(nothing, wire="sse", limits=Limits(write_s=0.01), draining=asyncio.Event(), slot=slot)
    async with asyncio.timeout(30):
        await stream({}, never, never)

    assert counter.total("streams_ended", wire="sse", reason="too_slow") == 1


# --------------------------------------------------------------------- gauges


async def test_gauges_say_what_there_is_now(any_broker: str) -> None:
    async with bench(max_sessions=7) as at, sse_session(at.url, ME) as client:
        await client.post(call("first", "read", gate="a"))
        await at.gates.reached["a"].wait()
        stats, calls = at.transport.stats(), at.transport.broker_calls()
        at.gates.open["a"].set()
        await client.response("first")

        assert (stats["sessions"], stats["streams"], stats["sessions_limit"]) == (1, 1, 7)
        assert stats["instance_calls_in_flight"] == 1
        await until(lambda: at.transport.stats()["instance_calls_in_flight"] == 0)
        if any_broker == "memory":
            assert "broker_up" not in stats
            assert calls == {}
        else:
            assert stats["broker_up"] == 1
            assert calls["ok"] >= 3
