"""A session ends once it had neither a stream nor a message for the idle time, on both wires and with each broker.

No test waits for that time: in memory its clock is moved, and in Valkey, which counts by itself, what is left of it.
"""

import secrets
from collections.abc import Iterator
from typing import Final

import httpx2
import pytest
import redis

from tests.transport.brokers import opened
from tests.transport.dispatch.test_dispatcher import call
from tests.transport.http_client import http_client
from tests.transport.serving import bench, until
from tests.transport.sse_client import SseClient, open_stream
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits
from transport.sessions.valkey import broker as valkey_broker
from transport.sessions.valkey.broker import ValkeyBroker
from transport.sessions.valkey.scripts import of_layout

ME: Final = {"x-api-key": "key-me"}


class InMemory:
    """Moves the clock of the broker."""

    IDLE_S: Final = 0.6  # the broker looks at its clock sixty times in as many real seconds

    def __init__(self) -> None:
        self._now = 1000.0
        self.broker = InMemoryBroker(Limits(idle_s=self.IDLE_S), clock=lambda: self._now)

    async def passes(self, session: str) -> None:
        """Let all of it pass, for every session: another one, which no one uses, ends."""
        unused = await opened(self.broker)
        self._now += self.IDLE_S + 0.1
        await until(lambda: unused.id not in self.broker._sessions)

    passes_while_read = passes


class InValkey:
    """Changes what Valkey keeps of the idle time of a session."""

    IDLE_MS: Final = 1_000_000
    LEFT_MS: Final = 20_000

    def __init__(self, url: str, server: redis.Redis) -> None:
        prefix = f"{{{secrets.token_hex(4)}}}:"
        self.broker = ValkeyBroker(url, limits=Limits(idle_s=self.IDLE_MS / 1000), prefix=prefix)
        self._record = f"{of_layout(prefix)}s:"
        self._server = server

    def _left_ms(self, session: str) -> int:
        return int(self._server.pttl(f"{self._record}{session}"))

    async def passes_while_read(self, session: str) -> None:
        """Let nearly all of it pass; the instance that reads the session has to begin it anew."""
        self._server.pexpire(f"{self._record}{session}", self.LEFT_MS)

        def is_begun_anew() -> bool:
            for stream in self.broker._instance.all_streams():
                stream._saved_at -= self.IDLE_MS / 1000
            return self._left_ms(session) > self.LEFT_MS

        await until(is_begun_anew)

    async def passes(self, session: str) -> None:
        """Let all of it pass."""
        assert 0 < self._left_ms(session) <= self.IDLE_MS
        await until(lambda: not self._server.pexpire(f"{self._record}{session}", 1))


IdleTime = InMemory | InValkey


@pytest.fixture(params=["memory", "valkey"])
def idle_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[IdleTime]:
    """Yield the idle time of a new broker of either kind."""
    if request.param == "memory":
        yield InMemory()
        return
    request.getfixturevalue("patience")
    monkeypatch.setattr(valkey_broker, "SAVE_EVERY_S", 0.02)
    url = request.getfixturevalue("broker_url")
    with redis.Redis.from_url(url) as server:
        yield InValkey(url, server)


async def test_a_session_over_sse_lives_while_it_is_read_and_then_for_the_idle_time(idle_time: IdleTime) -> None:
    async with bench(broker=idle_time.broker) as at, httpx2.AsyncClient(base_url=at.url, timeout=20) as http:
        client = SseClient(http, ME)
        async with open_stream(client):
            await client.initialize()
            session = client.endpoint.partition("=")[2]
            await idle_time.passes_while_read(session)
            assert (await client.call("echo", text="x"))["isError"] is False
        await until(lambda: not at.transport.stats()["streams"])
        await idle_time.passes(session)
        assert not at.transport.stats()["sessions"]
        assert (await client.post(call(99, "echo", text="x"))).status_code == 404


async def test_a_session_over_streamable_http_lives_while_a_call_is_read_and_then_for_the_idle_time(
    idle_time: IdleTime,
) -> None:
    async with bench(broker=idle_time.broker) as at, http_client(at.url, ME) as client:
        async with client.stream(call(1, "read", gate="g")) as response:
            await at.gates.reached["g"].wait()
            await idle_time.passes_while_read(client.session)
            at.gates.open["g"].set()
            await response.end()
        assert response.responses(1)
        await until(lambda: not at.transport.stats()["streams"])
        await idle_time.passes(client.session)
        assert (await client.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})).status == 404
