"""The number of connections, the one that is closed for another, and the server's shutdown."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from starlette.applications import Starlette

from shared.http import protocol
from shared.http import server as http_server
from shared.http.protocol import counted_as
from shared.http.server import CannotListenError
from tests.captured_logs import capture_logs
from tests.kills import kills
from tests.processes import ROOT
from tests.shared.served import LIMIT_S, QuietServer, asking, connections, get, served
from tests.transport.serving import until

MOST = 16


@kills("shared/http/protocol.py", "if len(self._unfinished) > self._most // UNFINISHED_SHARE:", "if False:")
async def test_silent_connections_beyond_a_quarter_make_room_the_oldest_first() -> None:
    async with served(most_connections=MOST) as bench, connections(bench, 6) as (*silent, last):
        await asyncio.gather(*(one.rest() for one in silent[:2]))  # they are closed
        assert not any([await one.is_closed() for one in silent[2:]])
        await last.send(get())
        assert await last.response() == 200
        async with connections(bench, 3):
            await last.send(get())
            assert await last.response() == 200, "its head was complete"


@kills("shared/http/protocol.py", "self._make_room(new)", "pass")
async def test_idle_connections_make_room_when_there_are_too_many() -> None:
    async with served(most_connections=MOST) as bench, asking(bench, "/health", MOST - 1) as idle:
        for one in idle:
            assert await one.response() == 200
        await idle[0].send(get())
        assert await idle[0].response() == 200
        async with connections(bench) as (client,):
            await client.send(get())
            assert await client.response() == 200
        await idle[1].rest()  # the one that has been idle the longest is closed
        assert not await idle[0].is_closed()


async def test_requests_in_flight_go_on_and_health_is_still_answered_when_all_slots_are_taken() -> None:
    async with served(most_connections=MOST) as bench, asking(bench, "/slow", MOST - 1) as busy:
        for _ in range(3):
            async with connections(bench, 2) as (probe, client):
                await client.send(get("/slow"))
                said = await client.rest()
                await probe.send(get())
                await probe.rest()  # closed: the client came after it and both have no place of their own
            async with connections(bench) as (probe,):
                await probe.send(get())
                assert await probe.response() == 200
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b'"kind": "too_many_connections"' in said
        assert b"retry-after: 5" in said
        bench.opened.set()
        assert [await one.response() for one in busy] == [200] * (MOST - 1)


@kills("shared/http/protocol.py", "self._of_network[new.network] > self._most // ADDRESS_SHARE", "False")
@pytest.mark.parametrize(("is_behind_proxy", "passed"), [(False, 4), (True, 6)])
async def test_one_address_has_a_quarter_unless_a_proxy_is_trusted(
    is_behind_proxy: bool, passed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "counted_as", lambda _: "203.0.113.7")  # tests have loopback addresses only
    async with served(most_connections=MOST, is_behind_proxy=is_behind_proxy) as bench:
        count = 0
        async with AsyncExitStack() as stack:
            for _ in range(6):
                (client,) = await stack.enter_async_context(connections(bench))
                await client.send(get())
                with suppress(AssertionError):
                    count += await client.response() == 200
        assert count == passed
        await until(lambda: not bench.server.server_state.connections)
        async with connections(bench) as (client,):
            await client.send(get())
            assert await client.response() == 200, "those that have ended do not count"


async def test_loopback_addresses_have_all_slots() -> None:
    async with served(most_connections=MOST) as bench, asking(bench, "/health", MOST - 2) as clients:
        assert [await one.response() for one in clients] == [200] * (MOST - 2)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", ""),
        ("127.8.9.10", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("", ""),
        ("/run/socket", ""),
    ],
)
def test_what_one_client_has_to_itself(address: str, network: str) -> None:
    assert counted_as(address) == network


ALLOWED = """
import json, resource
from shared.http.server import connections_allowed
found = []
for soft, hard in json.loads(%r):
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    found.append([connections_allowed(4096), resource.getrlimit(resource.RLIMIT_NOFILE)[0]])
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_connections_stay_below_the_file_descriptors_which_are_raised_as_far_as_needed() -> None:
    limits = [(64, 6000), (6000, 6000), (256, 1000), (64, 64), (16, 16)]
    program = ALLOWED % json.dumps(limits)
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == [[4096, 4352], [4096, 6000], [744, 1000], [32, 64], [8, 16]]


@asynccontextmanager
async def hanging(_: Starlette) -> AsyncGenerator[None]:
    """An application with two parts, neither of which can be closed."""
    async with part(), part():
        yield


@asynccontextmanager
async def part() -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await asyncio.Event().wait()


async def test_an_application_that_cannot_be_closed_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "END_S", 0.3)
    server = QuietServer(Starlette(lifespan=hanging), host="127.0.0.1", port=0, finish_s=1)
    server.should_exit = True
    with capture_logs() as logs:
        async with asyncio.timeout(LIMIT_S):
            await server.serve()
    assert [line["message"] for line in logs] == ["ended_by_deadline"]


def test_a_task_that_survives_its_cancellation_does_not_hold_up_the_end() -> None:
    kept: list[asyncio.Task[None]] = []
    cancelled = 0

    async def stubborn() -> None:
        nonlocal cancelled
        while cancelled < 3:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                cancelled += 1

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        kept.append(asyncio.create_task(stubborn()))
        yield

    server = QuietServer(Starlette(lifespan=lifespan), host="127.0.0.1", port=0, finish_s=1)
    server.should_exit = True
    running = threading.Thread(target=server.run, daemon=True)
    running.start()
    running.join(LIMIT_S)
    assert not running.is_alive()
    assert cancelled == 3


async def test_an_address_that_is_taken_is_one_sentence() -> None:
    async with served() as bench:
        second = QuietServer(Starlette(), host="127.0.0.1", port=bench.port, finish_s=1)
        with pytest.raises(CannotListenError, match=f"cannot listen on 127.0.0.1:{bench.port}"):
            await second.serve()
