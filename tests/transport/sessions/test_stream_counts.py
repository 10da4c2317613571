"""How many streams a principal reads: on one instance, and on many together."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import redis

from tests.transport.brokers import ME, YOU, MakeBroker, Quiet
from tests.transport.serving import until
from transport.sessions.valkey import scripts, stream_counts
from transport.sessions.valkey.broker import ValkeyBroker
from transport.sessions.valkey.codec import encode_owner


@asynccontextmanager
async def two(url: str, prefix: str) -> AsyncGenerator[tuple[ValkeyBroker, ValkeyBroker]]:
    one, other = (ValkeyBroker(url, prefix=prefix) for _ in range(2))
    async with one.run(Quiet()), other.run(Quiet()):
        await until(lambda: one.is_up and other.is_up)
        yield one, other


async def test_no_more_fit_than_may_and_what_ends_makes_room(make_broker: MakeBroker) -> None:
    streams = (await make_broker()).streams
    assert [await streams.try_add(ME, 2) for _ in range(3)] == [True, True, False]
    assert await streams.try_add(YOU, 2)
    assert await streams.try_add(ME, 4), "who comes again has more room"
    streams.drop(ME)
    assert not await streams.try_add(ME, 2)
    streams.drop(ME)
    assert await streams.try_add(ME, 2)


async def test_what_is_counted_in_any_case_leaves_less_room(make_broker: MakeBroker) -> None:
    streams = (await make_broker()).streams
    for _ in range(3):
        streams.add(ME)
    assert not await streams.try_add(ME, 3)
    streams.drop(ME)
    assert await streams.try_add(ME, 3)


async def test_all_instances_together_have_one_cap(broker_url: str) -> None:
    async with two(broker_url, f"{{{secrets.token_hex(4)}}}:") as (one, other):
        assert [await at.streams.try_add(ME, 3) for at in (one, other, one, other)] == [True, True, True, False]
        one.streams.drop(ME)
        await one.streams.publish_all()
        assert await other.streams.try_add(ME, 3)
        other.streams.add(ME)
        await other.streams.publish_all()
        assert not await one.streams.try_add(ME, 3)
        assert await one.streams.try_add(YOU, 1)


async def test_the_streams_of_an_instance_that_is_gone_are_forgotten(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = f"{{{secrets.token_hex(4)}}}:"
    async with two(broker_url, prefix) as (one, other):
        assert await other.streams.try_add(ME, 1)
        assert not await one.streams.try_add(ME, 1)
        monkeypatch.setattr(other._instance.lease, "renew", asyncio.Event().wait)
        with redis.from_url(broker_url) as raw:
            raw.zadd(f"{prefix}i", {other.instance: 0}, xx=True)  # as if its lease were over
        assert await one.streams.try_add(ME, 1)


async def test_a_note_that_was_overtaken_changes_nothing(broker_url: str) -> None:
    prefix = f"{{{secrets.token_hex(4)}}}:"
    async with two(broker_url, prefix) as (one, other):
        owner = encode_owner(ME)
        for note, streams in ((7, 2), (6, 1)):
            await one._instance.call(scripts.COUNT, owner, note, streams, "")
        assert not await other.streams.try_add(ME, 2)
        await one._instance.call(scripts.COUNT, owner, 8, 0, "")
        with redis.from_url(broker_url) as raw:
            assert 0 < raw.pttl(f"{prefix}h:{owner}") <= 1000, "nothing stays of who has no stream"
        assert await other.streams.try_add(ME, 2)


async def test_calls_cost_nothing_and_what_is_open_is_told_again(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two(broker_url, f"{{{secrets.token_hex(4)}}}:") as (one, _):
        received: list[object] = []
        call = one._instance.call

        async def spied(script: object, *args: object, **more: object) -> object:
            received.extend([args[2]] if script is scripts.COUNT else [])
            return await call(script, *args, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(one._instance, "call", spied)
        for _ in range(50):
            one.streams.add(ME)
            one.streams.drop(ME)
        await one.streams.publish_all()
        one.streams.add(ME)
        await one.streams.publish_all()
        await one.streams.publish_all()
        assert received == [1]
        monkeypatch.setattr(stream_counts, "PUBLISH_AGAIN_S", 0)
        await one.streams.publish_all()
        assert received == [1, 1]
        one.streams.drop(ME)
        await one.streams.publish_all()
        await one.streams.publish_all()
        assert received == [1, 1, 0]
        assert one.streams._told == {}, "nobody is kept who has none"


async def test_without_valkey_an_instance_counts_alone(broker_url: str) -> None:
    away = ValkeyBroker(broker_url)
    assert [await away.streams.try_add(ME, 1) for _ in range(2)] == [True, False]
