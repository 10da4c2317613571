"""The harness itself: each fault does what its name says, and the verdict detects every broken promise."""

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from auth.providers import AnonymousAuthProvider
from tests.chaos import callers
from tests.chaos.callers import Callers, PythonCaller, Report
from tests.chaos.plan import Fault, plan
from tests.chaos.proxy import Proxy
from tests.chaos.script import CALLS, CREATIONS, TYPESCRIPT, Call, Script, scripts
from tests.chaos.storm import Outcome
from tests.chaos.verdict import Verdict, Written
from tests.transport.gated_server import gated_server
from tests.transport.serving import serve
from transport import asgi_app

HELLO = b"GET /sse\n"
SAID = b'data: {"id": 1}\n'


@asynccontextmanager
async def backend(name: bytes) -> AsyncIterator[int]:
    """A server that sends its name, and then echoes every line."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name)
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def through(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.address.rpartition(":")[2]))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


@pytest.fixture
def refuses() -> Iterator[socket.socket]:
    """A socket for a port that no other process can take meanwhile."""
    with socket.socket() as held:
        yield held


async def test_connections_go_round_and_skip_backends_that_refuse_or_were_retired(refuses: socket.socket) -> None:
    async with backend(b"one") as one, backend(b"two") as two, backend(b"old") as old:
        refuses.bind(("127.0.0.1", 0))  # but nothing listens there
        proxy = Proxy([one, refuses.getsockname()[1], two, old])
        proxy.retire(old)
        async with proxy.run():
            met = []
            for _ in range(4):
                async with through(proxy) as (reader, _):
                    met.append(await reader.readexactly(3))

    assert met == [b"one", b"two", b"one", b"two"]


async def test_swallowed_bytes_never_arrive_and_their_connection_is_cut() -> None:
    async with backend(b"") as port:
        proxy = Proxy([port])
        async with proxy.run(), through(proxy) as (reader, writer):
            writer.write(HELLO)
            assert await reader.readline() == HELLO
            await proxy.until_streaming(1)
            proxy.swallow(len(SAID) + 1)
            writer.write(SAID)
            await proxy.until_swallowed(1)
            writer.write(SAID)
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)


async def test_a_servers_retry_is_hurried_without_a_change_of_length() -> None:
    async with backend(b"") as port:
        proxy = Proxy([port], retry_ms=20)
        async with proxy.run(), through(proxy) as (reader, writer):
            writer.write(HELLO + b"retry: 2345\n")
            assert await reader.readexactly(len(HELLO) + 12) == HELLO + b"retry: 0020\n"


async def test_a_python_caller_whose_stream_is_cut_before_its_endpoint_opens_another(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "mcp")
    monkeypatch.setattr(callers, "CONNECT_S", 1.0)
    server, _ = gated_server()

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proxy.retire(port)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.close()

    dying = await asyncio.start_server(cut, "127.0.0.1", 0)
    async with dying, serve(asgi_app(server, auth_provider=AnonymousAuthProvider())) as address:
        port = dying.sockets[0].getsockname()[1]
        proxy = Proxy([port, int(address.rpartition(":")[2])])
        call = Call(number=0, wave=0, tool="echo", arguments={"text": "here I am"}, expects="here I am")
        script = Script("python-0", "mark", (call,))
        async with proxy.run():
            working = Callers([script])
            await working.release(0)
            await PythonCaller(script, working, proxy.address).run()

    assert [(one.attempt, one.ok) for one in working.reports] == [(1, True)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_seed_makes_the_promised_calls_and_every_fault(seed: int) -> None:
    strikes = plan(seed)
    calls = [call for script in scripts(seed, len(strikes)) for call in script.calls]

    assert len(calls) == CALLS
    assert len({call.expects for call in calls if call.tool == "create_ticket"}) == CREATIONS
    assert {strike.fault for strike in strikes} == set(Fault)
    for wave, strike in enumerate(strikes, start=1):
        assert sum(call.wave == wave for call in calls) > strike.after + strike.held
    assert scripts(seed, len(strikes)) == scripts(seed, len(strikes))
    assert plan(seed) != plan(seed + 1)


class Run:
    """A successful run without faults; tests change what the verdict should detect."""

    def __init__(self) -> None:
        self.callers = Callers(scripts(1, 1))
        calls = [(script.caller, call) for script in self.callers.scripts for call in script.calls]
        self.callers.reports = [self.good(caller, call) for caller, call in calls]
        self.texts = Counter(call.expects for _, call in calls if call.key)
        self.carried_out = Counter(call.key for _, call in calls if call.key)
        self.caller, self.call = calls[0]
        self.faults = [(Fault.CUT, 3), (Fault.KILL, 3)]

    def good(self, caller: str, call: Call) -> Report:
        return Report(caller=caller, number=call.number, attempt=1, seconds=0.1, result={"text": call.expects})

    def fail(self, calls: int) -> None:
        """Let the first calls end with an error."""
        self.callers.reports[:calls] = [replace(one, result={"isError": True}) for one in self.callers.reports[:calls]]

    def problems(self) -> list[str]:
        """Return the broken promises."""
        verdict = Verdict(Outcome(1, self.callers, self.faults), Written(self.texts, self.texts), self.carried_out)
        return [problem.partition(":")[0] for problem in verdict.problems()]


def test_a_run_without_a_fault_breaks_no_promise() -> None:
    assert Run().problems() == []


@pytest.mark.parametrize("times", [0, 2])
def test_the_verdict_sees_a_lost_and_a_doubled_ticket(times: int) -> None:
    run = Run()
    run.texts[run.call.expects] = times

    assert run.problems() == ["not once in the database"]


def test_the_verdict_sees_a_call_that_ran_twice_for_one_request() -> None:
    run = Run()
    run.carried_out[run.call.key] = 2

    assert run.problems() == ["carried out more often than asked"]


def test_the_verdict_sees_a_response_of_another_caller() -> None:
    run = Run()
    run.callers.reports[0] = replace(run.callers.reports[0], result=run.callers.reports[-1].result)

    assert run.problems() == ["a foreign or wrong answer"]


def test_the_verdict_sees_a_call_without_an_answer() -> None:
    run = Run()
    run.callers.reports[0] = replace(run.callers.reports[0], result=None, unresolved=True)

    assert run.problems() == ["unresolved after 60 s"]


def test_the_verdict_sees_too_many_errors_and_calls_that_were_never_made() -> None:
    run = Run()
    hit = TYPESCRIPT * len(run.faults)
    run.fail(hit)
    assert run.problems() == []
    run.fail(hit + 1)
    fewer = Run()
    del fewer.callers.reports[: hit + 1]

    assert run.problems() == fewer.problems() == ["more TypeScript calls failed than faults can hit"]
