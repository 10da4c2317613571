"""What is let go, and when: streams that close, sessions that expire, caches that are full, readers that stop.

In this process and in small; tests/test_memory.py sees the same with thousands of sessions of a real process.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Generator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from tests.kills import kills
from tests.transport.dispatch.test_dispatcher import call
from tests.transport.gated_server import gated_server
from tests.transport.light_client import AT_ONCE, LightSession, Server, drop_all, light_server, open_sessions
from tests.transport.observed_server import living_objects
from tests.transport.serving import KeyPerPerson, a_slot, application_of, bench, until
from tests.transport.sessions.test_memory import Clock
from transport.app import Transport, TransportOptions
from transport.dispatch import sdk_kernel
from transport.http.event_stream import EventStreamResponse
from transport.server import DrainingServer
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits
from transport.sessions.valkey import instance
from transport.sessions.valkey.broker import ValkeyBroker

ME = {"x-api-key": "key-me"}
SESSIONS = 5


async def opened_and_dropped(server: Server) -> None:
    await drop_all(await open_sessions(server, SESSIONS))


def since(before: Counter[str]) -> Counter[str]:
    """Return how many objects of each class there are more than before."""
    return living_objects() - before


@kills("transport/http/event_stream.py", "await self._reader.close()", "pass")
@pytest.mark.usefixtures("any_broker")
async def test_a_stream_whose_client_left_is_let_go() -> None:
    async with bench() as at, light_server(at.url, ME) as server:
        before = living_objects()
        await opened_and_dropped(server)
        await until(lambda: at.transport.stats()["streams"] == 0)
        await until(lambda: since(before)["Stream"] == 0)


async def test_a_session_that_expired_is_forgotten_everywhere() -> None:
    clock = Clock()
    broker = InMemoryBroker(Limits(idle_s=0.5), clock=clock)
    async with bench(broker=broker) as at, light_server(at.url, ME) as server:
        before = living_objects()
        await opened_and_dropped(server)
        await until(lambda: at.transport.stats()["streams"] == 0)
        assert at.transport.stats()["sessions"] == SESSIONS
        clock.now += 1
        await until(lambda: at.transport.stats()["sessions"] == 0)
        await until(lambda: since(before).keys() <= {"ClientTally"})  # counts of clients stay, in bounds


@kills("transport/dispatch/sdk_kernel.py", "LRUCache(KEPT_RUNNERS)", "LRUCache(10**9)")
async def test_what_the_sdk_keeps_of_a_session_is_bounded_and_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk_kernel, "KEPT_RUNNERS", 2)
    async with bench() as at, light_server(at.url, ME) as server:
        before = living_objects()["ServerRunner"]
        first, *_ = await open_sessions(server, SESSIONS)
        assert living_objects()["ServerRunner"] - before <= 2
        await first.post(call(1, "which_client"))
        assert b'"text":"test"' in (await first.read_until(rb'"id":1[^\n]*\n\n'))[0]


@kills("transport/sessions/valkey/instance.py", "LRUCache(KEPT_RECORDS)", "LRUCache(10**9)")
async def test_records_of_sessions_that_others_may_have_are_kept_in_bounds(
    monkeypatch: pytest.MonkeyPatch, broker_url: str
) -> None:
    monkeypatch.setattr(sdk_kernel, "KEPT_RUNNERS", 2)
    monkeypatch.setattr(instance, "KEPT_RECORDS", 3)
    broker = ValkeyBroker(broker_url, prefix=f"{{{secrets.token_hex(4)}}}:")
    async with bench(broker=broker) as at, light_server(at.url, ME) as server:
        before = living_objects()
        await opened_and_dropped(server)
        await until(lambda: at.transport.stats()["streams"] == 0)
        await until(lambda: since(before)["SessionRecord"] <= 3)


async def test_the_end_of_a_stream_waits_for_its_reader_no_longer_than_any_write() -> None:
    never = asyncio.Event()

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body" and not message["more_body"]:
            await never.wait()

    async def receive() -> MutableMapping[str, Any]:
        await never.wait()
        raise AssertionError

    async def nothing(_: EventStreamResponse) -> None:
        return None

    limits = Limits(write_s=0.01)
    stream = EventStreamResponse(nothing, wire="sse", limits=limits, draining=asyncio.Event(), slot=a_slot())
    async with asyncio.timeout(10):
        await stream({"type": "http"}, receive, send)


class _Server(DrainingServer):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals to the test runner."""
        yield


@asynccontextmanager
async def as_the_door_serves(limits: Limits) -> AsyncGenerator[tuple[DrainingServer, str]]:
    """Serve the gated server on the very server of the door, inside of this process."""
    options = TransportOptions(limits=limits)
    transport = Transport(gated_server()[0], auth_provider=KeyPerPerson(), options=options)
    app = application_of(transport)
    port = asyncio.get_running_loop().create_future()
    server = _Server(app, transport, host="127.0.0.1", port=0, on_started=port.set_result)
    serving = asyncio.create_task(server.serve())
    try:
        yield server, f"http://127.0.0.1:{await asyncio.wait_for(port, 10)}"
    finally:
        server.should_exit = True
        await serving


async def test_the_connection_of_a_stream_that_is_not_read_goes_too() -> None:
    limits = Limits(write_s=0.2)
    async with as_the_door_serves(limits) as (server, address), light_server(address, ME) as client:
        connections = server.server_state.connections
        await until(lambda: len(connections) == AT_ONCE)
        stopped = LightSession(client, receive_bytes=4096)
        await stopped.open()
        assert len(connections) == AT_ONCE + 1
        for number in range(1, 31):  # 15 MB, far more than systems buffer for a reader that is this small
            await stopped.post(call(number, "fill", size=250_000))
        await until(lambda: len(connections) == AT_ONCE)
