"""What a call costs in Valkey: two scripts on every wire; what is kept of its stream is kept with that of others."""

import secrets
from collections import Counter
from typing import Any

import pytest
import redis

from tests.transport.brokers import Quiet, claimed, opened, texts
from tests.transport.http_client import http_client
from tests.transport.serving import bench, until
from tests.transport.sse_client import sse_session
from transport.sessions.claims import RequestClaim
from transport.sessions.session import Limits, SessionRecord
from transport.sessions.valkey import broker as broker_valkey
from transport.sessions.valkey import local_streams, scripts
from transport.sessions.valkey.broker import ValkeyBroker
from transport.sessions.valkey.client import Script
from transport.sessions.valkey.local_stream import LocalStream
from transport.sessions.valkey.scripts import of_layout

pytestmark = pytest.mark.usefixtures("patience")
PREFIX = f"{{{secrets.token_hex(4)}}}:"
ME = {"x-api-key": "key-me"}
CALLS = 20


def counted(broker: ValkeyBroker) -> Counter[Script]:
    """Return how often each script is run from now on."""
    client, real, count = broker._instance.client, broker._instance.client.call, Counter[Script]()

    async def call(what: Script, *args: Any, wait_s: float | None = None) -> Any:
        count[what] += 1
        return await real(what, *args, wait_s=wait_s)

    client.call = call  # type: ignore[assignment, method-assign]  # its own broker goes with the test
    return count


def new_broker(url: str) -> ValkeyBroker:
    """Return a broker that saves only when a test says so."""
    return ValkeyBroker(url, limits=Limits(), prefix=PREFIX)


@pytest.fixture(autouse=True)
def _saves_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_valkey, "SAVE_EVERY_S", 3600)


@pytest.mark.parametrize("wire", ["sse", "streamable_http"])
async def test_a_call_takes_two_scripts(broker_url: str, wire: str) -> None:
    broker = new_broker(broker_url)
    async with bench(broker=broker) as at:
        if wire == "sse":
            async with sse_session(at.url, ME) as sse:
                count = counted(broker)
                for number in range(CALLS):
                    await sse.call("echo", text=str(number))
                said = +count
        else:
            async with http_client(at.url, ME) as http:
                count = counted(broker)
                for number in range(CALLS):
                    await http.call(number, "echo", text=str(number))
                said = +count
    del said[scripts.LEASE]
    assert said == {scripts.CLAIM: CALLS, scripts.FINISH: CALLS}


async def post_of(broker: ValkeyBroker, session: SessionRecord, number: int, *, reads: bool = True) -> LocalStream:
    """Return the stream of a POST that was answered, and closed after its response was written or `reads` is False."""
    request = RequestClaim(number, b"%d" % number)
    result = await claimed(broker, session, [request], own_stream=True)
    result.record.initialized = True
    (attempt,), stream = result.attempts, result.reader
    assert attempt is not None
    assert isinstance(stream, LocalStream)
    await broker.finish(attempt, b"response")
    if reads:
        events = await stream.events()
        stream.delivered(events)
    await stream.close()
    return stream


@pytest.mark.parametrize("streams", [3, local_streams.SAVED_TOGETHER + 1])
async def test_complete_streams_are_given_up_together(broker_url: str, streams: int) -> None:
    raw, broker = redis.from_url(broker_url), new_broker(broker_url)
    async with broker.run(Quiet()):
        await until(lambda: broker.is_up)
        session, count = await opened(broker), counted(broker)
        closed = [await post_of(broker, session, number) for number in range(streams)]
        keys = [f"{of_layout(PREFIX)}t:{session.id}:{stream.name}" for stream in closed]
        assert {raw.hget(key, "holder") for key in keys} == {broker.instance.encode()}
        assert not count[scripts.SAVE_OFFSETS]

        await broker._streams.save_all()

        assert count[scripts.SAVE_OFFSETS] == -(-streams // local_streams.SAVED_TOGETHER)
        assert [raw.hget(key, "holder") for key in keys] == [b""] * streams
        assert [raw.hget(key, "delivered") for key in keys] == [b"%d" % stream.last for stream in closed]


async def test_a_stream_that_was_cut_before_its_response_is_given_up_at_once(broker_url: str) -> None:
    broker = new_broker(broker_url)
    async with broker.run(Quiet()):
        await until(lambda: broker.is_up)
        session, count = await opened(broker), counted(broker)
        await post_of(broker, session, 1, reads=False)

        assert count[scripts.SAVE_OFFSETS] == 1


async def test_what_was_given_up_last_is_kept_at_the_end(broker_url: str) -> None:
    raw, broker = redis.from_url(broker_url), new_broker(broker_url)
    async with broker.run(Quiet()):
        await until(lambda: broker.is_up)
        session = await opened(broker)
        stream = await post_of(broker, session, 1)

    assert raw.hget(f"{of_layout(PREFIX)}t:{session.id}:{stream.name}", "holder") == b""


async def test_another_instance_takes_over_a_complete_stream_before_it_is_given_up(broker_url: str) -> None:
    first, second = new_broker(broker_url), new_broker(broker_url)
    async with first.run(Quiet()), second.run(Quiet()):
        await until(lambda: first.is_up and second.is_up)
        session = await opened(first)
        stream = await post_of(first, session, 1)

        again = await second.attach(session.id, stream=stream.name, after=0)
        assert again is not None
        assert await texts(again) == [b"response"]
        await first._streams.save_all()

        await second._streams.save_all()
        assert not again.ended, "the first instance does not give up what the second one reads"


async def test_the_view_reads_no_keys_but_those_of_sessions(broker_url: str) -> None:
    broker, prefix = new_broker(broker_url), f"{{{secrets.token_hex(4)}}}:"
    raw: Any = redis.Redis.from_url(broker_url)
    raw.mset({f"{prefix}{number}": "of another program" for number in range(3000)})
    async with broker.run(Quiet()):
        await until(lambda: broker.is_up)
        session = await opened(broker)
        count = counted(broker)

        assert session.owner in {view.owner for view in await broker.view(100)}
        assert count[scripts.VIEW] == 1
        await broker.end(session.id)
    raw.delete(*raw.keys(f"{prefix}*"))


async def test_principals_are_forgotten_when_their_sessions_are_over(broker_url: str) -> None:
    broker = new_broker(broker_url)
    raw: Any = redis.Redis.from_url(broker_url)
    async with broker.run(Quiet()):
        await until(lambda: broker.is_up)
        owners = f"{of_layout(PREFIX)}p"
        await opened(broker, ("default", "left long ago"))
        raw.zadd(owners, dict.fromkeys(raw.zrange(owners, 0, -1), 1))
        session = await opened(broker, ("default", "still there"))

        assert raw.zrange(owners, 0, -1) == [b'["default", "still there"]']
        assert 0 < raw.pttl(owners) <= 2 * 1000 * broker._limits.idle_s
        await broker.end(session.id)
