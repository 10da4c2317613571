"""Memory of sessions in a real process, and that idle, dropped and unread sessions leave nothing behind.

The clients are little more than sockets (tests/transport/light_client.py). Each test runs over both brokers, with its
own Valkey server. The long test run drops 10,000 sessions instead of 500.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import redis

from tests.processes import KEY, Process, http_door, started
from tests.transport.dispatch.test_dispatcher import call
from tests.transport.light_client import LightSession, Server, drop_all, light_server, open_sessions
from tests.transport.sse_client import SseClient, open_stream
from tests.valkey import valkey_server
from transport.dispatch.sdk_kernel import KEPT_RUNNERS
from transport.http.sse_format import EventId
from transport.sessions.session import Limits
from transport.sessions.valkey.broker import PREFIX
from transport.sessions.valkey.instance import KEPT_RECORDS
from transport.sessions.valkey.scripts import of_layout

KB: Final = 1000
MB: Final = 1000 * KB
FEW: Final = 200
MANY: Final = 1000
IDLE_KB: Final = 40
DROPPED: Final = (500, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(400)]))
BATCH: Final = 100
RESPONSES: Final = 150
TEXT_BYTES: Final = 125 * KB
RESPONSE_BYTES: Final = 2 * TEXT_BYTES
"""The SDK sends a text twice: as content and as structured content."""
UNREAD_MB: Final = 10
"""Most an unread stream may cost: its log of 1 MiB, as much again in transit, and for a moment copies of both."""
MAX_LOG_BYTES: Final = Limits().max_log_bytes
ECHOES_BYTES: Final = 10 * KB
BROKER_CONNECTIONS: Final = 9
KEYS_OF_SESSIONS: Final = frozenset({"s:", "t:", "c:", "d:", "e:", "o:", "r:"})
"""What lua/common.lua names; the rest is of instances."""
FIGURES: Final = ("sessions", "streams", "log_bytes", "tasks", "connections", "broker_keys")
OF_A_SESSION: Final = (
    "Stream",
    "MemoryStreamReader",
    "MemorySession",
    "EventLog",
    "Event",
    "ServerRunner",
    "SessionRecord",
)
LIMIT_S: Final = 60.0
OBSERVED: Final = ("-m", "tests.transport.observed_server")
ME: Final = {"x-api-key": "key-me"}
YOU: Final = {"x-api-key": "key-you"}


@pytest.fixture(params=["memory", "valkey"])
def broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of the test's own Valkey server, or nothing for the broker in memory."""
    with ExitStack() as stack:
        in_memory = request.param == "memory"
        yield "" if in_memory else stack.enter_context(valkey_server("--appendonly", "no")).url


def resident_bytes(process: Process) -> int:
    """Return the resident memory of a process."""
    if sys.platform == "linux":
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text("ascii")
        return 1024 * next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Rss:"))
    received = subprocess.run(["ps", "-o", "rss=", "-p", str(process.pid)], check=True, capture_output=True, timeout=10)
    return 1024 * int(received.stdout)


@dataclass
class Observed:
    """A started server that reports what it holds."""

    address: str
    process: Process
    server: Server
    broker: str

    async def until(self, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Poll what the server and its broker hold until `done` accepts it, and return it."""
        held: dict[str, Any] = {}
        try:
            async with asyncio.timeout(LIMIT_S):
                while not done(held := await self.holds()):
                    pass  # each iteration awaits a response
        except TimeoutError:
            raise AssertionError(f"it still holds {held}") from None
        return held

    async def holds(self) -> dict[str, Any]:
        """Return what the server holds, its `broker_connections`, and the number of `broker_keys` of sessions."""
        held: dict[str, Any] = await self.server.ask("/holds") | {"broker_connections": 0, "broker_keys": 0}
        if self.broker:
            with redis.Redis.from_url(self.broker, decode_responses=True) as asking:
                held["broker_connections"] = len(asking.client_list()) - 1
                kinds = [key.removeprefix(of_layout(PREFIX))[:2] for key in asking.scan_iter(count=1000)]
                held["broker_keys"] = sum(kind in KEYS_OF_SESSIONS for kind in kinds)
        return held


@asynccontextmanager
async def observed(broker: str, **limits: Any) -> AsyncGenerator[Observed]:
    """Start the observed server with these limits."""
    where = ("--broker-url", broker) if broker else ()
    with started((*OBSERVED, "--limits", dumps(limits), *where)) as (address, process):
        async with light_server(address, ME) as server:
            yield Observed(address, process, server, broker)


@pytest.mark.long
async def test_an_idle_session_costs_at_most_40_kb(tmp_path: Path, broker: str) -> None:
    caps = ("MCP_MAX_SESSIONS", "MCP_MAX_SESSIONS_PER_PRINCIPAL", "MCP_MAX_STREAMS_PER_PRINCIPAL")
    settings = dict.fromkeys(caps, str(2 * MANY))
    if broker:
        settings["MCP_BROKER_URL"] = broker
    with http_door(tmp_path, **settings) as (address, process):
        async with light_server(address, {"x-api-key": KEY}) as server:
            await open_sessions(server, FEW)
            before = resident_bytes(process)
            await open_sessions(server, MANY - FEW)
            each = (resident_bytes(process) - before) / (MANY - FEW)
    print(f"{each / KB:.1f} kB for each idle session")
    assert each <= IDLE_KB * KB


@pytest.mark.parametrize("dropped", DROPPED)
@pytest.mark.long
async def test_nothing_stays_of_sessions_that_were_dropped(broker: str, dropped: int) -> None:
    caps = dict.fromkeys(("max_sessions", "max_sessions_per_principal", "max_streams_per_principal"), dropped)
    limits = {"idle_s": 1, **caps}
    async with observed(broker, **limits) as at:
        before = await at.until(lambda held: held["sessions"] == 0)
        resident = []
        for _ in range(2):
            for _ in range(dropped // 2 // BATCH):
                await drop_all(await open_sessions(at.server, BATCH))
            after = await at.until(lambda held: all(held[name] <= before[name] for name in FIGURES))
            resident.append(resident_bytes(at.process))
    print(f"{dropped} sessions dropped: {' and then '.join(f'{size / MB:.1f}' for size in resident)} MB")
    assert resident[1] <= resident[0] * 1.05 + 4 * MB
    assert after["broker_connections"] <= BROKER_CONNECTIONS
    left = {name: after["objects"].get(name, 0) for name in OF_A_SESSION}
    # Sessions that another instance may continue leave bounded cache entries here, which save look-ups.
    most = {"ServerRunner": KEPT_RUNNERS, "SessionRecord": KEPT_RECORDS} if broker else {}
    assert {name: count for name, count in left.items() if count > most.get(name, 0)} == {}


@pytest.mark.long
async def test_a_stopped_reader_affects_only_itself_and_costs_a_bounded_amount(broker: str) -> None:
    async with observed(broker, write_s=2) as at, light_server(at.address, YOU) as elsewhere:
        other = LightSession(elsewhere)
        await other.open()
        await other.post(call(-1, "fill", size=TEXT_BYTES))  # so that such a response is nothing new
        await other.read_until(response_to(-1))
        stopped = LightSession(at.server, receive_bytes=4096)
        before, resident = await at.holds(), resident_bytes(at.process)

        await stopped.open()
        most = 0
        for number in range(1, RESPONSES + 1):
            await stopped.post(call(number, "fill", size=TEXT_BYTES))
            if number % 10 == 0:
                await other.post(call(number, "echo", text="unharmed"))
                await other.read_until(response_to(number))
                most = max(most, resident_bytes(at.process) - resident)
        held = await at.holds()
        await at.until(lambda held: is_cut(held, before))

        print(f"{RESPONSES * RESPONSE_BYTES / MB:.0f} MB of responses took {most / MB:.1f} MB")
        assert held["log_bytes"] - before["log_bytes"] <= MAX_LOG_BYTES + ECHOES_BYTES
        assert most <= UNREAD_MB * MB
        await notified_of_every_call(at.address, stopped)


def is_cut(held: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether the stopped reader's stream and its connection are gone."""
    return bool(held["streams"] == before["streams"] and held["connections"] == before["connections"])


async def notified_of_every_call(address: str, stopped: LightSession) -> None:
    """Reconnect as the stopped reader, and check that each of its calls gets exactly one response or error."""
    async with httpx2.AsyncClient(base_url=address, timeout=20) as http:
        client = SseClient(http, ME)
        async with open_stream(client, {"last-event-id": str(EventId(stopped.id, 1))}):
            for number in range(1, RESPONSES + 1):
                await client.response(number)
    assert client.endpoint == stopped.endpoint
    assert [len(client.responses(number)) for number in range(1, RESPONSES + 1)] == [1] * RESPONSES
    errors = [one["error"]["data"]["kind"] for one in client.received if "error" in one]
    assert errors == ["result_lost"] * len(errors)
    assert RESPONSES - MAX_LOG_BYTES // RESPONSE_BYTES <= len(errors) < RESPONSES


def response_to(number: int) -> bytes:
    return rb'"id":%d[^\n]*\n\n' % number
