"""Unlucky moments of the Valkey broker: who is cancelled, replaced, cut off or asked again in the middle of a step."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest
import redis

from tests.kills import kills
from tests.transport.brokers import ME, PING, Quiet, attached, claim, claimed, news, opened, started, texts
from tests.transport.serving import until
from tests.valkey import ValkeyServer
from transport.sessions.broker import BrokerUnavailableError, InstanceMessage, Listener
from transport.sessions.claims import ClaimStatus, RequestClaim
from transport.sessions.event_log import Kind
from transport.sessions.session import Limits
from transport.sessions.valkey import broker as broker_valkey
from transport.sessions.valkey import instance, lease, scripts
from transport.sessions.valkey.broker import ValkeyBroker
from transport.sessions.valkey.calls import Post
from transport.sessions.valkey.client import Script
from transport.sessions.valkey.local_stream import LocalStream

pytestmark = pytest.mark.usefixtures("patience")
INITIALIZE = RequestClaim(0, b"init", opens_epoch=True)


@asynccontextmanager
async def brokers(
    url: str, number: int = 2, listener: Listener | None = None, **limits: Any
) -> AsyncGenerator[list[ValkeyBroker]]:
    """Run several brokers that share sessions of their own."""
    prefix = f"{{{secrets.token_hex(4)}}}:"
    async with AsyncExitStack() as stack:
        made = [ValkeyBroker(url, limits=Limits(**limits), prefix=prefix) for _ in range(number)]
        for broker in made:
            await stack.enter_async_context(broker.run(listener or Quiet()))
        await until(lambda: all(broker.is_up for broker in made))
        yield made


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make what is done each second come sooner."""
    monkeypatch.setattr(broker_valkey, "SAVE_EVERY_S", 0.05)


class Gate:
    """Holds the first run of a script at one broker: before it is sent, or when it was carried out.

    When `fails` it ends there, as a call does whose time is up.
    """

    def __init__(self, broker: ValkeyBroker, script: Script, *, sent: bool, fails: bool = False) -> None:
        self.reached, self.open = asyncio.Event(), asyncio.Event()
        if fails:
            self.open.set()
        real, client, is_taken = broker._instance.client.call, broker._instance.client, False

        async def call(what: Script, *args: Any, wait_s: float | None = None) -> Any:
            nonlocal is_taken
            if what is not script or is_taken:
                return await real(what, *args, wait_s=wait_s)
            is_taken = True
            response = await real(what, *args, wait_s=wait_s) if sent else None
            self.reached.set()
            await self.open.wait()
            if fails:
                raise BrokerUnavailableError
            return response if sent else await real(what, *args, wait_s=wait_s)

        client.call = call  # type: ignore[assignment, method-assign]  # its own broker goes with the test


class Hearing(Quiet):
    """Hears when a broker has everything that was published to it."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()

    async def on_message(self, message: InstanceMessage) -> None:
        self._heard.set()

    async def all_that(self, sender: ValkeyBroker, receiver: ValkeyBroker) -> None:
        """Wait until all is there that `sender` has published: this note comes after it."""
        await sender.publish(InstanceMessage("cancelled", "a session", ME, 1), instance=receiver.instance)
        await asyncio.wait_for(self._heard.wait(), 30)


async def away(valkey: ValkeyServer, *seen_by: ValkeyBroker) -> None:
    await asyncio.to_thread(valkey.kill)
    await until(lambda: not any(broker.is_up for broker in seen_by))


async def back(valkey: ValkeyServer, *seen_by: ValkeyBroker, empty: bool = False) -> None:
    if empty:
        valkey.wipe()
    await asyncio.to_thread(valkey.start)
    await until(lambda: all(broker.is_up for broker in seen_by))


# ---- the caller is cancelled


@kills("transport/sessions/valkey/calls.py", "if not is_settled:  #", "if False:  #")
async def test_an_answer_is_stored_though_whoever_stores_it_is_cancelled(broker_url: str) -> None:
    async with brokers(broker_url) as (a, b):
        session = await opened(a)
        attempt = await started(a, session, PING)
        gate = Gate(a, scripts.FINISH, sent=False)
        finishing = asyncio.create_task(a.finish(attempt, b"answer"))
        await gate.reached.wait()
        finishing.cancel()
        assert await news(await attached(b, session.id)) == [b"answer"]


@kills("transport/sessions/valkey/calls.py", "Error, asyncio.CancelledError)", "Error,)")
async def test_a_request_whose_sender_left_while_it_was_recorded_is_taken_back(broker_url: str) -> None:
    async with brokers(broker_url) as (a, b):
        session = await opened(a)
        gate = Gate(a, scripts.CLAIM, sent=True)
        admitting = asyncio.create_task(claim(a, session, [PING]))
        await gate.reached.wait()
        admitting.cancel()
        async with asyncio.timeout(10):
            while (await b._streams.pending(session.id, 0))[0]:
                pass
        assert await claim(b, session, [PING]) == [ClaimStatus.NEW]


async def test_who_waits_for_a_request_that_is_taken_back_is_told(broker_url: str) -> None:
    async with brokers(broker_url) as (a, b):
        session = await opened(a)
        gate = Gate(b, scripts.CLAIM, sent=True)
        admitting = asyncio.create_task(claim(b, session, [PING]))
        await gate.reached.wait()
        assert await claim(a, session, [PING]) == [ClaimStatus.JOINED]
        admitting.cancel()
        stream = await attached(a, session.id)
        (response,) = await news(stream)
        assert b"interrupted" in response
        assert await claim(a, session, [PING]) == [ClaimStatus.NEW]


async def test_a_stream_that_is_interrupted_while_it_reads_the_log_misses_nothing(broker_url: str) -> None:
    async with brokers(broker_url, 1) as (a,):
        session = await opened(a)
        stream = await attached(a, session.id)
        await a.append(session.id, Kind.NOTIFICATION, b"second")
        assert isinstance(stream, LocalStream)
        stream._queue.clear()
        stream.last = 0  # as if it had not been published
        stream.fall_behind()
        gate = Gate(a, scripts.READ, sent=False)
        with anyio.move_on_after(0.1):  # as a heartbeat does
            await stream.events()
        assert gate.reached.is_set()
        assert await texts(stream) == [b"second"]


async def test_a_log_that_could_not_be_read_is_read_later(broker_url: str) -> None:
    async with brokers(broker_url, 1) as (a,):
        session = await opened(a)
        stream = await attached(a, session.id)
        assert isinstance(stream, LocalStream)
        gate = Gate(a, scripts.READ, sent=False, fails=True)
        stream.fall_behind()
        await a.append(session.id, Kind.NOTIFICATION, b"news")
        assert await news(stream) == [b"news"]
        assert gate.reached.is_set()


# ---- streams


@kills("transport/sessions/valkey/local_stream.py", "self.record is None or before", "before")
async def test_an_answer_that_comes_while_a_stream_is_attached_reaches_it(broker_url: str) -> None:
    hearing = Hearing()
    async with brokers(broker_url, listener=hearing) as (a, b):
        session = await opened(a)
        attempt = await started(b, session, PING)
        gate = Gate(a, scripts.ATTACH, sent=True)
        attaching = asyncio.create_task(attached(a, session.id))
        await gate.reached.wait()
        await b.finish(attempt, b"answer")
        await hearing.all_that(b, a)  # where the stream has not begun
        gate.open.set()
        stream = await attaching
        assert await news(stream) == [b"answer"]
        await a.append(session.id, Kind.NOTIFICATION, b"next")
        assert await news(stream) == [b"next"], "the answer comes once"


@kills("transport/sessions/valkey/lua/read.lua", "if known[2] ~= ARGV[ARGS + 1] then", "if false then")
async def test_a_stream_that_was_taken_over_unheard_ends_when_it_reads_the_log(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with brokers(broker_url) as (a, b):
        session = await opened(a)
        stream = await attached(a, session.id)
        assert isinstance(stream, LocalStream)
        monkeypatch.setattr(a._streams, "on_published", lambda *_: None)  # it is deaf
        winner = await attached(b, session.id)
        stream.fall_behind()
        async with asyncio.timeout(10):
            await stream.events()
        assert (stream.ended, winner.ended) == (True, False)


async def test_of_two_streams_attached_at_once_the_one_that_lost_ends(broker_url: str) -> None:
    hearing = Hearing()
    async with brokers(broker_url, listener=hearing) as (a, b):
        session = await opened(a)
        gate = Gate(a, scripts.ATTACH, sent=True)
        attaching = asyncio.create_task(attached(a, session.id))
        await gate.reached.wait()
        winner = await attached(b, session.id)  # publishes to a, which has no stream yet
        await hearing.all_that(b, a)
        gate.open.set()
        loser = await attaching
        async with asyncio.timeout(10):
            await loser.events()
        assert (loser.ended, winner.ended) == (True, False)


async def test_a_slow_reader_gets_all_in_order_and_is_told_what_was_lost(broker_url: str) -> None:
    async with brokers(broker_url, max_events=3) as (a, b):
        session = await opened(a)
        stream = await attached(a, session.id)
        assert isinstance(stream, LocalStream)
        calls = [RequestClaim(number, b"x") for number in range(1, 10)]
        for attempt in (await claimed(b, session, calls)).attempts:
            assert attempt is not None
            await b.finish(attempt, str(attempt.request).encode())
        events: list[Any] = []
        async with asyncio.timeout(10):
            while len(events) < len(calls):
                events += await stream.events()
        assert [event.request for event in events] == list(range(1, 10))
        kept = [event.request for event in events if event.message is not None]
        assert kept[-3:] == [7, 8, 9]
        assert all(b"result_lost" in event.text() for event in events if event.message is None)


async def test_a_slow_reader_costs_a_bounded_amount(broker_url: str) -> None:
    async with brokers(broker_url, 1, max_log_bytes=1000) as (a,):
        session = await opened(a)
        stream = await attached(a, session.id)
        await a.append(session.id, Kind.NOTIFICATION, b"before")
        assert await texts(stream) == [b"before"]
        for _ in range(50):
            await a.append(session.id, Kind.NOTIFICATION, b"x" * 100)
        assert a.stats()["log_bytes"] <= 1000


@kills("transport/sessions/valkey/local_streams.py", "return running, newer", "return running, 0")
async def test_a_stream_is_not_settled_while_an_answer_is_on_its_way_to_it(broker_url: str) -> None:
    async with brokers(broker_url, 1) as (a,):
        session = await opened(a)
        stream = await attached(a, session.id)
        await a.append(session.id, Kind.NOTIFICATION, b"before")
        assert await texts(stream) == [b"before"]
        attempt = await started(a, session, PING)
        gate = Gate(a, scripts.FINISH, sent=True)
        finishing = asyncio.create_task(a.finish(attempt, b"answer"))
        await gate.reached.wait()
        assert not await stream.is_settled()
        gate.open.set()
        await finishing
        assert await texts(stream) == [b"answer"]
        assert await stream.is_settled()


# ---- steps that are sent again, or refused


@kills(
    "transport/sessions/valkey/calls.py",
    "        else:  # it was stored by an earlier sending of the same step\n            reader.fall_behind()\n",
    "",
)
async def test_an_answer_reaches_its_stream_though_its_step_was_sent_again(broker_url: str) -> None:
    async with brokers(broker_url, 1) as (a,):
        session = await opened(a)
        stream = await attached(a, session.id)
        await a.append(session.id, Kind.NOTIFICATION, b"before")
        assert await texts(stream) == [b"before"]
        attempt = await started(a, session, PING)
        client, real = a._instance.client, a._instance.client.call

        async def twice(what: Script, *args: Any, wait_s: float | None = None) -> Any:
            if what is scripts.FINISH:
                await real(what, *args, wait_s=wait_s)  # its answer is lost with the connection
            return await real(what, *args, wait_s=wait_s)

        client.call = twice  # type: ignore[assignment, method-assign]  # its own broker goes with the test
        assert await a.finish(attempt, b"answer")
        assert await news(stream) == [b"answer"]
        assert stream.has_news is False


async def test_a_session_whose_keys_are_broken_costs_only_itself(broker_url: str) -> None:
    server = redis.Redis.from_url(broker_url)
    try:
        async with brokers(broker_url, 1) as (a,):
            broken, other = await opened(a), await opened(a)
            lost, kept = [await started(a, session, PING) for session in (broken, other)]
            server.set(f"{a._instance._common[0]}c:{broken.id}", "no hash")
            assert await a.finish(lost, b"answer")
            with pytest.raises(BrokerUnavailableError):
                await claim(a, broken, [replace(PING, request=2)])
            assert await a.finish(kept, b"answer")
            assert await texts(await attached(a, other.id)) == [b"answer"]
            await until(lambda: not a._instance.outbox._steps)  # a step that can never be done does not block others
            assert a.is_up
            server.delete(f"{a._instance._common[0]}c:{broken.id}")
    finally:
        server.close()


async def test_a_note_that_cannot_be_handled_costs_only_itself(broker_url: str) -> None:
    class Clumsy(Quiet):
        received = 0

        async def on_message(self, message: InstanceMessage) -> None:
            self.received += 1
            raise RuntimeError

    listener = Clumsy()
    async with brokers(broker_url, listener=listener) as (a, b):
        session = await opened(a)
        for _ in range(2):
            await b.publish(InstanceMessage("cancelled", session.id, ME, 1), instance=a.instance)
        await until(lambda: listener.received == 2)
        assert await claim(a, session, [PING]) == [ClaimStatus.NEW]


async def test_a_request_taken_back_after_its_session_is_gone_leaves_no_key(broker_url: str) -> None:
    server = redis.Redis.from_url(broker_url)
    try:
        async with brokers(broker_url, 1) as (a,):
            session = await opened(a)
            attempt = await started(a, session, PING)
            prefix = a._instance._common[0]
            server.delete(f"{prefix}s:{session.id}")  # as a server does that is short of memory
            assert await a._calls._withdraw(Post(session.id, ME, "sse", [PING]), PING, attempt.token)
            assert server.exists(f"{prefix}s:{session.id}") == 0
    finally:
        server.close()


@kills("transport/sessions/valkey/lua/common.lua", "call('PEXPIRE', claims_of(session), int(idle_ms))", "")
async def test_keys_go_with_their_session_and_their_number_does_not_grow_with_its_calls(broker_url: str) -> None:
    server = redis.Redis.from_url(broker_url)
    try:
        async with brokers(broker_url, 1, idle_s=60.0) as (a,):
            prefix, session = a._instance._common[0], await opened(a)
            for number in range(40):
                await a.finish(await started(a, session, RequestClaim(number, b"x")), b"answer")
            await started(a, session, PING)
            keys: Any = server.keys(f"{prefix}*")
            assert len(keys) <= len("scde") + len("oigrxp")
            of_session: Any = server.keys(f"*{session.id}*")
            assert {0 < int(server.pttl(key)) <= 60_000 for key in of_session} == {True}
            for key in of_session:
                server.pexpire(key, 1)
            await until(lambda: not server.keys(f"*{session.id}*"))
            assert await a.find(session.id) is None
    finally:
        server.close()


# ---- while Valkey is away


async def test_a_request_that_cannot_be_recorded_is_refused_and_does_not_run_from_memory(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_valkey, "SHARED_STREAM_S", 0.3)
    monkeypatch.setattr(broker_valkey, "OWN_STREAM_S", 0.1)
    async with brokers(valkey.url, 1) as (a,):
        session = await opened(a)
        await attached(a, session.id)
        await away(valkey, a)
        for own_stream, waits_s in ((False, 0.3), (True, 0.1)):
            before = asyncio.get_running_loop().time()
            with pytest.raises(BrokerUnavailableError):
                await claimed(a, session, [PING], own_stream=own_stream)
            assert asyncio.get_running_loop().time() - before >= waits_s
        assert a.stats()["streams"] == 1, "the stream of the POST is gone"
        await back(valkey, a)
        await until(lambda: not a._instance.outbox._steps)
        assert await claim(a, session, [PING]) == [ClaimStatus.NEW]


async def test_a_response_that_cannot_be_stored_is_stored_and_delivered_later(valkey: ValkeyServer) -> None:
    async with brokers(valkey.url) as (a, b):
        session = await opened(a)
        stream, attempt = await attached(b, session.id), await started(a, session, PING)
        await away(valkey, a, b)
        assert await a.finish(attempt, b"response")
        assert not stream.has_news
        await back(valkey, a, b)
        assert await news(stream) == [b"response"]


async def test_responses_that_wait_to_be_stored_are_bounded(valkey: ValkeyServer) -> None:
    async with brokers(valkey.url, 1, max_total_log_bytes=1000) as (a,):
        session = await opened(a)
        stream, attempt = await attached(a, session.id), await started(a, session, PING)
        await away(valkey, a)
        assert await a.finish(attempt, b"x" * 2000)
        await back(valkey, a)
        (lost,) = await news(stream)
        assert b"result_lost" in lost


async def test_in_an_outage_notifications_are_dropped_and_requests_to_the_client_wait(valkey: ValkeyServer) -> None:
    async with brokers(valkey.url, 1) as (a,):
        session = await opened(a)
        stream = await attached(a, session.id)
        await away(valkey, a)
        await a.append(session.id, Kind.NOTIFICATION, b"dropped")
        await a.append(session.id, Kind.REQUEST, b"waits")
        await back(valkey, a)
        assert await news(stream) == [b"waits"]


async def test_initialize_that_ran_while_all_data_was_lost_is_answered(valkey: ValkeyServer) -> None:
    async with brokers(valkey.url, 1) as (a,):
        session = await opened(a)
        stream = await attached(a, session.id)
        attempt = await started(a, session, INITIALIZE)
        await away(valkey, a)
        await back(valkey, a, empty=True)
        assert await a.finish(attempt, b"welcome")
        assert await news(stream) == [b"welcome"]


async def test_what_changed_before_a_loss_of_data_is_known_to_others_after_it(valkey: ValkeyServer) -> None:
    async with brokers(valkey.url) as (a, b):
        session = await opened(a)
        assert await b.find(session.id) is not None
        stream = await attached(a, session.id)
        assert isinstance(stream, LocalStream)
        assert stream.record is not None
        stream.record.initialized = True
        await a.save(stream.record)
        await away(valkey, a, b)
        await back(valkey, a, b, empty=True)
        assert (await claimed(b, session, ())).record.initialized


@kills("transport/sessions/valkey/lease.py", "self._emptied()", "pass")
async def test_an_emptied_server_that_kept_its_connections_is_noticed(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_S", 60)  # no instance checks by itself
    for module in (lease, instance):
        monkeypatch.setattr(module, "RECOVERY_S", 10.0)
    server = redis.Redis.from_url(valkey.url)
    try:
        async with brokers(valkey.url) as (a, b):
            session = await opened(a)
            stream = await attached(a, session.id)
            attempt = await started(b, session, PING)
            server.flushall()
            admitting = asyncio.create_task(claim(b, session, [RequestClaim(2, b"two")]))
            await until(lambda: admitting.done() or b._instance.lease.is_recovering)
            assert not admitting.done(), "a may have it still"
            await a._instance.lease.renew()  # as it does each second
            assert await admitting == [ClaimStatus.NEW]
            assert await b.finish(attempt, b"answer")
            assert (await news(stream), stream.ended) == ([b"answer"], False)
    finally:
        server.close()


# ---- what travels


async def test_large_answers_and_every_alphabet_travel_unchanged(broker_url: str) -> None:
    async with brokers(broker_url) as (a, b):
        session = await opened(a)
        session.version, session.client_params = "2025-11-25", {"clientInfo": {"name": 'Zoë "日本"\n\ud800'}}
        await a.save(session)
        found = await b.find(session.id)
        assert found is not None
        assert (found.version, found.client_params) == (session.version, session.client_params)
        stream = await attached(a, session.id)
        response = bytes(range(256)) * 4096
        assert await b.finish(await started(b, session, PING), response)
        assert await texts(stream) == [response]
