"""What the broker of one instance does by time, with a clock that tests move."""

from contextlib import suppress
from dataclasses import replace

import pytest

from tests.kills import kills
from tests.transport.brokers import PING, attached, opened, started, texts
from transport.sessions.broker import CapReachedError
from transport.sessions.event_log import Kind
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_at_a_cap_the_session_left_longest_makes_room() -> None:
    clock = Clock()
    broker = InMemoryBroker(Limits(max_sessions_per_principal=2, response_kept_s=300), clock=clock)
    left, kept = await opened(broker), await opened(broker)
    await (await attached(broker, left.id)).close()
    await attached(broker, kept.id)
    clock.now += 299
    with pytest.raises(CapReachedError):
        await opened(broker)
    clock.now += 2
    await opened(broker)
    assert await broker.find(left.id) is None
    assert await broker.find(kept.id) is not None


async def test_an_organisation_that_fills_an_instance_leaves_room_and_takes_no_one_elses() -> None:
    clock = Clock()
    broker = InMemoryBroker(Limits(max_sessions=20, max_sessions_per_principal=20, response_kept_s=300), clock=clock)
    theirs, first = await opened(broker, ("theirs", "them")), await opened(broker, ("ours", "first"))
    clock.now += 301
    for number in range(40):
        with suppress(CapReachedError):
            await opened(broker, ("ours", f"{number % 4}"))
    assert await broker.find(theirs.id) is not None
    assert await broker.find(first.id) is None, "of its own the one left longest made room"
    await opened(broker, ("theirs", "another one"))


async def test_only_sessions_without_a_stream_and_without_messages_expire() -> None:
    clock = Clock()
    broker = InMemoryBroker(Limits(idle_s=60), clock=clock)
    idle, streaming, talking = [await opened(broker) for _ in range(3)]
    await attached(broker, streaming.id)
    clock.now += 50
    await broker.find(talking.id)
    clock.now += 11
    assert broker.sweep() == [idle.id]
    assert await broker.find(streaming.id) is not None
    assert await broker.find(talking.id) is not None


async def test_old_answers_are_named_but_no_longer_kept() -> None:
    clock = Clock()
    broker = InMemoryBroker(Limits(response_kept_s=300), clock=clock)
    session = await opened(broker)
    await broker.finish(await started(broker, session, replace(PING, writes=True)), b"answer")
    clock.now += 301
    broker.sweep()
    (lost,) = await texts(await attached(broker, session.id))
    assert b"result_lost" in lost
    assert b"carried out" in lost


@kills("transport/sessions/memory.py", "return self._log_bytes >= self._limits.max_total_log_bytes", "return False")
async def test_all_logs_together_are_bounded_and_a_full_instance_takes_no_new_session() -> None:
    clock = Clock()
    broker = InMemoryBroker(Limits(max_total_log_bytes=20_000, max_log_bytes=15_000), clock=clock)
    sessions = [await opened(broker) for _ in range(4)]
    for number in range(200):
        await broker.append(sessions[number % 4].id, Kind.NOTIFICATION, b"x" * 1000)
        assert broker.stats()["log_bytes"] <= 20_000
    assert all([await broker.find(session.id) for session in sessions])
