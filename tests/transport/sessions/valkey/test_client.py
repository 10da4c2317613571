"""The way to Valkey, over real servers that end, stand still and come back: no call is lost, none hangs."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final

import anyio
import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from tests.captured_logs import capture_logs
from tests.kills import kills
from tests.transport.relay import relay
from tests.transport.serving import until
from tests.valkey import ValkeyServer, valkey_server
from transport.sessions.broker import BrokerUnavailableError
from transport.sessions.valkey import connection, subscription
from transport.sessions.valkey.client import MAX_BYTES, MAX_CALLS, Script, ValkeyClient
from transport.sessions.valkey.subscription import ANSWER_S, QUIET_S

pytestmark = pytest.mark.usefixtures("patience")
ECHO: Final = Script("return ARGV[1]")
COUNT: Final = Script("return redis.call('INCR', ARGV[1] or 'counted')")
WRONG: Final = Script("local x = 1\nerror('about ' .. ARGV[1])")
SPIN: Final = "while true do end"
SECRET: Final = "hunter2-is-secret"


class Owner:
    """What a broker is to its client: it receives messages, and learns when the client came up."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.times_up = 0
        self.may_come_up = asyncio.Event()
        self.may_come_up.set()
        self.failure: Exception | None = None

    def hear(self, message: bytes) -> None:
        self.heard.append(message)
        if message == b"poison":
            raise ValueError("cannot be read")

    async def came_up(self) -> None:
        self.times_up += 1
        await self.may_come_up.wait()
        if self.failure is not None:
            raise self.failure


def link_to(url: str, owner: Owner, **options: Any) -> ValkeyClient:
    options = {"wait_s": 30.0} | options
    return ValkeyClient(url, channels=["news", "gossip"], heard=owner.hear, came_up=owner.came_up, **options)


@asynccontextmanager
async def linked(server: ValkeyServer, **options: Any) -> AsyncGenerator[tuple[ValkeyClient, Owner]]:
    """Yield a link that is up."""
    client = link_to(server.url, owner := Owner(), **options)
    async with client.run():
        await until(lambda: client.is_up)
        yield client, owner


@asynccontextmanager
async def operator(server: ValkeyServer) -> AsyncGenerator[Callable[..., Any]]:
    """Yield how to send any command, on a connection of its own."""
    async with Redis.from_url(server.url, single_connection_client=True) as client:
        yield client.execute_command


async def is_busy(say: Callable[..., Any]) -> bool:
    try:
        await say("PING")
    except ResponseError:
        return True
    return False


async def figure(server: ValkeyServer, name: str) -> int:
    async with operator(server) as say:
        return int((await say("INFO"))[name])


async def start(server: ValkeyServer) -> None:
    await asyncio.to_thread(server.start)


# Calls


async def test_each_caller_gets_the_answer_to_its_own_call(broker_url: str) -> None:
    client = link_to(broker_url, Owner())
    calls = 3 * MAX_CALLS
    async with client.run():
        responses = await asyncio.gather(*(client.call(ECHO, number) for number in range(calls)))
    assert responses == [str(number).encode() for number in range(calls)]


@pytest.mark.parametrize(
    "argument", [b"\x00\xff\r\n", "日本", 7, 0.1, "x" * (MAX_BYTES + 1)], ids=lambda a: type(a).__name__
)
async def test_arguments_arrive_as_they_are(broker_url: str, argument: bytes | str | float) -> None:
    client = link_to(broker_url, Owner())
    async with client.run():
        response = await client.call(ECHO, argument)
    assert response == (argument if isinstance(argument, bytes) else str(argument).encode())


async def test_calls_of_one_turn_travel_together(valkey: ValkeyServer) -> None:
    async with linked(valkey) as (client, _):
        await client.call(ECHO, "warm")
        before = [await figure(valkey, name) for name in ("total_reads_processed", "total_connections_received")]
        await asyncio.gather(*(client.call(ECHO, number) for number in range(200)))
        after = [await figure(valkey, name) for name in ("total_reads_processed", "total_connections_received")]
    assert after[0] - before[0] < 30, "200 calls, and what the operator and the health check said"
    assert after[1] - before[1] == 2, "the operator's"


async def test_many_calls_need_a_few_connections(valkey: ValkeyServer) -> None:
    async def caller(client: ValkeyClient, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        assert await client.call(ECHO, turns) == str(turns).encode()

    async with linked(valkey, connections=3) as (client, _):
        await asyncio.gather(*(caller(client, turns) for turns in range(200)))
        assert 2 < await figure(valkey, "connected_clients") <= 3 + 1 + 1, "calls, subscription, operator"


async def test_a_cancelled_caller_breaks_nothing_for_the_others(valkey: ValkeyServer) -> None:
    async with linked(valkey) as (client, _):
        await client.call(ECHO, "warm")
        connections = await figure(valkey, "total_connections_received")
        valkey.pause()
        cancelled = asyncio.create_task(client.call(ECHO, "a"))
        stays = asyncio.create_task(client.call(ECHO, "b"))
        with anyio.move_on_after(0.05):
            await client.call(ECHO, "c")
        cancelled.cancel()
        await asyncio.wait({cancelled}, timeout=30)
        valkey.resume()
        assert await stays == b"b"
        assert cancelled.cancelled()
        assert await figure(valkey, "total_connections_received") == connections + 1, "the operator's"


@kills("transport/sessions/valkey/client.py", "error=code, line=", "error=code, said=str(reply), line=")
async def test_a_mistake_in_a_script_is_its_callers_alone_and_logged_without_arguments(broker_url: str) -> None:
    client = link_to(broker_url, Owner())
    async with client.run():
        with capture_logs() as logs:
            good = asyncio.create_task(client.call(ECHO, 1))
            with pytest.raises(ResponseError):
                await client.call(WRONG, SECRET)
            assert await good == b"1"
        (failed,) = [entry for entry in logs if entry["message"] == "script_failed"]
        assert (failed["script"], failed["error"], failed["line"]) == (WRONG.sha, "ERR", 2)
        assert SECRET not in str(logs)


async def test_a_script_that_does_not_compile_fails_at_once(broker_url: str) -> None:
    client = link_to(broker_url, Owner())
    async with client.run():
        with pytest.raises(ResponseError):
            await client.call(Script("return return"))


async def test_a_server_that_forgot_the_scripts_is_told_them_again_once(valkey: ValkeyServer) -> None:
    async with linked(valkey) as (client, _):
        await client.call(COUNT)
        async with operator(valkey) as say:
            await say("SCRIPT FLUSH")
            await asyncio.gather(*(client.call(COUNT) for _ in range(50)))
            assert int(await say("GET counted")) == 51
            assert (await say("INFO", "commandstats"))["cmdstat_eval"]["calls"] == 2


# A server that is away


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        (["REPLICAOF 127.0.0.1 1"], "REPLICAOF NO ONE"),
        (["CONFIG SET maxmemory 1"], "CONFIG SET maxmemory 0"),
        (["CONFIG SET min-replicas-to-write 1"], "CONFIG SET min-replicas-to-write 0"),
    ],
    ids=["replica", "memory", "replicas"],
)
async def test_a_server_that_takes_no_writes_is_waited_for(valkey: ValkeyServer, worse: list[str], better: str) -> None:
    async with linked(valkey) as (client, _), operator(valkey) as say:
        for command in worse:
            await say(*command.split(" "))
        with pytest.raises(BrokerUnavailableError):
            await client.call(COUNT, "given up, and perhaps done later", wait_s=0.2)
        waiting = asyncio.create_task(client.call(COUNT))
        await say(*better.split(" "))
        assert await waiting == 1


async def test_a_busy_server_is_waited_for() -> None:
    with valkey_server("--busy-reply-threshold", "20") as server:
        async with linked(server) as (client, _), operator(server) as say, operator(server) as spinner:
            spinning = asyncio.create_task(spinner("EVAL", SPIN, 0))
            while not await is_busy(say):
                pass
            with pytest.raises(BrokerUnavailableError):
                await client.call(COUNT, "given up, and perhaps done later", wait_s=0.3)
            waiting = asyncio.create_task(client.call(COUNT))
            await say("SCRIPT", "KILL")
            assert await waiting == 1
            with pytest.raises(ResponseError):
                await spinning


async def test_cut_connections_are_replaced_unnoticed(valkey: ValkeyServer) -> None:
    async with linked(valkey) as (client, owner), operator(valkey) as say:
        await client.call(COUNT)
        for kind in ("normal", "pubsub"):
            await say("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            assert await client.call(ECHO, kind) == kind.encode()
        await until(lambda: client.is_up and owner.times_up == 2)


@pytest.mark.parametrize("is_emptied", [False, True], ids=["with its data", "empty"])
async def test_a_call_made_while_the_server_restarts_is_answered(valkey: ValkeyServer, is_emptied: bool) -> None:
    async with linked(valkey) as (client, owner):
        assert await client.call(COUNT) == 1
        valkey.stop()
        await until(lambda: not client.is_up)
        waiting = asyncio.create_task(client.call(COUNT))
        if is_emptied:
            valkey.wipe()
        await start(valkey)
        assert await waiting == (1 if is_emptied else 2)
        await until(lambda: client.is_up and owner.times_up == 2)


@kills("transport/sessions/valkey/client.py", "reversed(batch)", "()")
async def test_a_call_under_way_survives_that_the_server_is_killed(valkey: ValkeyServer) -> None:
    async with linked(valkey) as (client, owner):
        assert await client.call(COUNT) == 1
        valkey.pause()
        waiting = [asyncio.create_task(client.call(COUNT, wait_s=15)) for _ in range(3)]
        await asyncio.sleep(0)
        valkey.kill()
        await start(valkey)
        assert await asyncio.gather(*waiting) == [2, 3, 4]
        await until(lambda: client.is_up and owner.times_up == 2)


@kills("transport/sessions/valkey/client.py", "call_later(wait, ", "call_later(wait + 2, ")
async def test_a_server_that_stands_still_is_unavailable_in_time_and_found_again(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QUIET_S", "ANSWER_S"):
        monkeypatch.setattr(subscription, name, 0.5)
    async with linked(valkey) as (client, owner):
        await client.call(COUNT)
        valkey.pause()
        too_late = asyncio.create_task(
            asyncio.sleep(1.5)
        )  # a timer of the same loop: both are late when it stands still
        with pytest.raises(BrokerUnavailableError) as unavailable:
            await client.call(ECHO, SECRET, wait_s=0.5)
        assert not too_late.done()
        assert unavailable.value.kind == "broker_unavailable"
        assert SECRET not in str(unavailable.value)
        await until(lambda: not client.is_up)
        waiting = asyncio.create_task(client.call(ECHO, "again"))
        valkey.resume()
        assert await waiting == b"again"
        await until(lambda: client.is_up and owner.times_up >= 2)
        too_late.cancel()


def test_a_server_that_stands_still_is_noticed_within_three_seconds() -> None:
    assert QUIET_S + ANSWER_S < 3


async def test_connections_that_fall_silent_are_replaced(valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "OPERATION_S", 1.0)
    for name in ("QUIET_S", "ANSWER_S"):
        monkeypatch.setattr(subscription, name, 0.5)
    async with relay(valkey.url) as relaying:
        client = link_to(f"redis://127.0.0.1:{relaying.port}", owner := Owner())
        async with client.run():
            await until(lambda: client.is_up)
            await client.call(COUNT)
            relaying.fall_silent()
            assert await client.call(ECHO, "again") == b"again"
            await until(lambda: client.is_up and owner.times_up >= 2)


async def test_it_starts_before_its_server_does(valkey: ValkeyServer) -> None:
    valkey.stop()
    client = link_to(valkey.url, owner := Owner())
    async with client.run():
        with pytest.raises(BrokerUnavailableError):
            await client.call(ECHO, 1, wait_s=0.2)
        assert not client.is_up
        await start(valkey)
        await until(lambda: client.is_up and owner.times_up == 1)


@pytest.mark.parametrize("is_paused", [False, True], ids=["running", "paused"])
async def test_leaving_waits_for_nothing_that_is_under_way(valkey: ValkeyServer, is_paused: bool) -> None:
    async with linked(valkey) as (client, _):
        if is_paused:
            valkey.pause()
        calls = [asyncio.create_task(client.call(ECHO, "x" * MAX_BYTES)) for _ in range(4)]
        await asyncio.sleep(0.05)
        left = monotonic()
    assert monotonic() - left < 10, "each time-out is 30 s"
    assert not client.is_up
    async with asyncio.timeout(10):
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(one, bytes | BrokerUnavailableError) for one in outcomes)
    with pytest.raises(BrokerUnavailableError):
        await client.call(ECHO, 1)


async def test_what_the_block_raises_comes_out_as_it_is(broker_url: str) -> None:
    with pytest.raises(KeyError):
        async with link_to(broker_url, Owner()).run():
            raise KeyError


# Messages


async def test_messages_are_heard_before_and_after_a_restart(valkey: ValkeyServer) -> None:
    async with linked(valkey) as (_, owner):
        async with operator(valkey) as say:
            await say("PUBLISH", "news", b"\xff1")
            await say("PUBLISH", "gossip", "2")
            await say("PUBLISH", "elsewhere", "3")
        await until(lambda: len(owner.heard) == 2)
        valkey.kill()
        await start(valkey)
        await until(lambda: owner.times_up == 2)
        async with operator(valkey) as say:
            await say("PUBLISH", "news", "4")
        await until(lambda: len(owner.heard) == 3)
        assert owner.heard == [b"\xff1", b"2", b"4"]


async def test_a_message_that_cannot_be_read_costs_only_itself(valkey: ValkeyServer) -> None:
    async with linked(valkey) as (client, owner), operator(valkey) as say:
        with capture_logs() as logs:
            for message in ("poison", "next"):
                await say("PUBLISH", "news", message)
            await until(lambda: b"next" in owner.heard)
        assert [entry["message"] for entry in logs] == ["broker_message_failed"]
        assert client.is_up
        assert owner.times_up == 1


async def test_a_quiet_subscription_stays(valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "QUIET_S", 0.5)
    monkeypatch.setattr(subscription, "ANSWER_S", 30.0)
    async with linked(valkey) as (client, owner):
        async with operator(valkey) as say:

            async def pings() -> int:
                return int((await say("INFO", "commandstats")).get("cmdstat_ping", {"calls": 0})["calls"])

            before = await pings()
            async with asyncio.timeout(15):
                while await pings() < before + 2:  # noqa: ASYNC110 - the server has no event for it
                    await asyncio.sleep(0.05)
        assert client.is_up
        assert owner.times_up == 1


@kills("transport/sessions/valkey/subscription.py", "await self._came_up()", "self._found(); await self._came_up()")
async def test_it_is_up_only_when_its_owner_is_up_to_date_again(valkey: ValkeyServer) -> None:
    async with linked(valkey) as (client, owner):
        owner.may_come_up.clear()
        valkey.kill()
        await until(lambda: not client.is_up)
        await start(valkey)
        await until(lambda: owner.times_up == 2)
        assert not client.is_up
        async with operator(valkey) as say:
            await say("PUBLISH", "news", "meanwhile")
        await until(lambda: owner.heard == [b"meanwhile"])
        valkey.kill()
        await start(valkey)
        await until(lambda: owner.times_up == 3)
        assert not client.is_up
        owner.may_come_up.set()
        await until(lambda: client.is_up)


async def test_an_owner_that_could_not_catch_up_is_asked_again(valkey: ValkeyServer) -> None:
    client = link_to(valkey.url, owner := Owner())
    owner.failure = BrokerUnavailableError()
    async with client.run():
        await until(lambda: owner.times_up >= 2)
        assert not client.is_up
        owner.failure = None
        await until(lambda: client.is_up)


# Secrets and logs


async def test_a_loss_is_logged_once_and_so_is_the_return_and_no_password(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with valkey_server(password=SECRET) as server, capture_logs() as logs:
        async with linked(server) as (client, _):
            assert await client.call(COUNT) == 1
            server.kill()
            await until(lambda: not client.is_up)
            with pytest.raises(BrokerUnavailableError) as unavailable:
                await client.call(COUNT, wait_s=0.5)
            await start(server)
            await until(lambda: client.is_up)
    received = [entry for entry in logs if entry["severity"] != "DEBUG"]
    assert [entry["message"] for entry in received] == ["broker_lost", "broker_back"]
    assert received[1]["seconds_down"] >= 0.3
    shown: Sequence[object] = (logs, caplog.text, str(unavailable.value), unavailable.getrepr(), vars(client))
    assert SECRET not in str(shown)


async def test_a_wrong_password_is_unavailable_and_says_why_in_the_log() -> None:
    with valkey_server(password=SECRET) as server, capture_logs() as logs:
        client = link_to(server.url.replace(SECRET, "wrong-guess"), Owner())
        async with client.run():
            with pytest.raises(BrokerUnavailableError):
                await client.call(COUNT, wait_s=0.2)
            await until(lambda: any(entry["message"] == "broker_lost" for entry in logs))
    (lost,) = [entry for entry in logs if entry["message"] == "broker_lost"]
    assert lost["error"] == "AuthenticationError"
    assert "wrong-guess" not in str(logs)


async def test_a_subscription_that_is_refused_is_asked_for_again(valkey: ValkeyServer) -> None:
    with capture_logs() as logs:
        async with linked(valkey) as (client, _), operator(valkey) as say:
            await say("ACL", "SETUSER", "default", "resetchannels")
            await until(lambda: any(entry["message"] == "broker_lost" for entry in logs))
            assert not client.is_up
            assert await client.call(COUNT) == 1
            await say("ACL", "SETUSER", "default", "allchannels")
            await until(lambda: client.is_up)


@pytest.mark.parametrize(
    "url",
    [f"http://:{SECRET}@host", f"redis://:1{SECRET}/@host", f"redis://host?{SECRET}=1", f"redis://host?db={SECRET}"],
)
def test_an_address_that_cannot_be_read_is_not_shown(url: str) -> None:
    async def never() -> None: ...

    with pytest.raises(ValueError, match="cannot be read") as unreadable:
        ValkeyClient(url, channels=["news"], heard=print, came_up=never)
    assert SECRET not in str(unreadable.getrepr(style="native"))


async def test_calls_are_counted_by_whether_they_were_answered(valkey: ValkeyServer) -> None:
    async with linked(valkey) as (client, _):
        await client.call(ECHO, "x")
        with pytest.raises(ResponseError):
            await client.call(WRONG, "x")
        valkey.kill()
        with pytest.raises(BrokerUnavailableError):
            await client.call(ECHO, "x", wait_s=0.05)

        assert client.calls == {"ok": 1, "failed": 2}
