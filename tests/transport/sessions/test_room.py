"""At a cap of sessions: which one makes room for the next. Every broker passes the same tests."""

import asyncio

import pytest

from tests.kills import kills
from tests.transport.brokers import PING, MakeBroker, attached, claimed, opened, started
from transport.sessions.broker import CapReachedError, SessionBroker, StreamReader
from transport.sessions.claims import RequestClaim
from transport.sessions.session import SessionRecord

INITIALIZE = RequestClaim(0, b"init", opens_epoch=True)


async def opening(broker: SessionBroker) -> tuple[SessionRecord, StreamReader]:
    """Open a session as a POST of `initialize` does; return it, and the stream on which its response waits."""
    session = await opened(broker)
    result = await claimed(broker, session, [INITIALIZE], own_stream=True)
    (attempt,) = result.attempts
    assert attempt is not None
    assert result.reader is not None
    session = result.record
    session.version, session.client_params = "2025-11-25", {}
    await broker.save(session)
    assert await broker.finish(attempt, b"{}")
    return session, result.reader


async def ignored(broker: SessionBroker) -> SessionRecord:
    """Open a session whose client never sends its id."""
    session, reader = await opening(broker)
    await reader.close()
    return session


async def in_use(broker: SessionBroker, *, has_asked: bool = True) -> SessionRecord:
    """Open a session whose client goes on with it: it reports `initialized`, and may have asked for something."""
    session = await ignored(broker)
    session.initialized = True
    await broker.save(session)
    if has_asked:
        assert await broker.finish(await started(broker, session, PING), b"{}")
    return session


async def lives(broker: SessionBroker, *sessions: SessionRecord) -> list[bool]:
    return [await broker.find(one.id) is not None for one in sessions]


@kills("transport/sessions/memory.py", "was_ignored or self.left_at", "self.left_at")
@kills("transport/sessions/valkey/lua/open.lua", "(was_ignored or seen < now - kept_ms)", "seen < now - kept_ms")
async def test_sessions_that_were_only_initialized_make_room_at_once_the_first_ones_first(
    make_broker: MakeBroker,
) -> None:
    broker = await make_broker(max_sessions_per_principal=3)
    used, waiting = await in_use(broker), await in_use(broker, has_asked=False)
    for _ in range(5):
        latest = await ignored(broker)
        assert await lives(broker, used, waiting, latest) == [True, True, True]
    await broker.open(SessionRecord(id="x" * 43, owner=used.owner, wire="sse"))
    assert await lives(broker, used, waiting, latest) == [True, True, False]


async def test_one_whose_client_may_still_come_does_not_make_room_at_once(make_broker: MakeBroker) -> None:
    broker = await make_broker(max_sessions_per_principal=5)
    _, reader = await opening(broker)
    await opened(broker)  # `initialize` has not come yet
    listening = await ignored(broker)
    await (await attached(broker, listening.id)).close()
    hasty = await ignored(broker)  # it asks before it reports `initialized`
    assert await broker.finish(await started(broker, hasty, PING), b"{}")
    await in_use(broker, has_asked=False)
    with pytest.raises(CapReachedError):
        await opened(broker)
    await reader.close()  # its response was read, and nothing came after it
    await opened(broker)
    with pytest.raises(CapReachedError):
        await opened(broker)


async def test_one_that_was_never_used_makes_room_before_one_that_was_left_longer(make_broker: MakeBroker) -> None:
    broker = await make_broker(max_sessions_per_principal=4, response_kept_s=0.001)
    reading = await ignored(broker)
    await attached(broker, reading.id)
    used, waiting, last = await in_use(broker), await in_use(broker, has_asked=False), await ignored(broker)
    await asyncio.sleep(0.01)  # not synchronisation: responses are no longer kept
    await attached(broker, (await opened(broker)).id)
    await attached(broker, (await opened(broker)).id)
    assert await lives(broker, reading, used, waiting, last) == [True, True, False, False]
    await asyncio.sleep(0.01)  # likewise
    await attached(broker, (await opened(broker)).id)
    assert await lives(broker, reading, used) == [True, False]
    with pytest.raises(CapReachedError):
        await opened(broker)
