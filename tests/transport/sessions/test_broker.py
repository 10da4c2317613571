"""The contract of the session broker: every implementation passes the same tests."""

import asyncio
from dataclasses import replace

import pytest

from tests.kills import kills
from tests.transport.brokers import PING, YOU, MakeBroker, admit, attached, news, opened, texts
from transport.sessions.broker import (
    CapReachedError,
    ClaimStatus,
    RequestClaim,
    SessionGoneError,
)
from transport.sessions.event_log import Kind


async def test_an_opened_session_is_found_until_it_ends(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    assert await broker.find(session.id) is not None
    await broker.end(session.id)
    assert await broker.find(session.id) is None
    assert await broker.attach(session.id) is None
    with pytest.raises(SessionGoneError):
        await admit(broker, session, [PING])
    assert broker.stats() == {"sessions": 0, "streams": 0, "log_bytes": 0}


async def test_messages_reach_the_stream_in_order_with_rising_numbers(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    stream = await attached(broker, session.id)
    await broker.append(session.id, Kind.NOTIFICATION, b"a")
    await broker.append(session.id, Kind.REQUEST, b"b")
    events = await stream.events()
    assert [(event.number, event.text()) for event in events] == [(1, b"a"), (2, b"b")]
    assert await stream.is_settled()


async def test_a_waiting_stream_wakes_up(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    stream = await attached(broker, session.id)
    waiting = asyncio.create_task(news(stream))
    await asyncio.sleep(0)
    await broker.append(session.id, Kind.NOTIFICATION, b"news")
    assert await waiting == [b"news"]


async def test_wake_all_makes_streams_look_around(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    waiting = asyncio.create_task(texts(await attached(broker, session.id)))
    await asyncio.sleep(0)
    broker.wake_streams()
    assert await waiting == []


async def test_a_request_is_new_once_then_running_then_answered(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    assert await admit(broker, session, [PING]) == [ClaimStatus.NEW]
    assert await admit(broker, session, [PING]) == [ClaimStatus.RUNNING]
    assert await broker.finish(session.id, 0, 1, b"answer")
    assert await admit(broker, session, [PING]) == [ClaimStatus.ANSWERED]
    assert await texts(await attached(broker, session.id)) == [b"answer", b"answer"]


async def test_a_used_id_with_another_body_is_refused_and_takes_the_whole_post_with_it(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    await admit(broker, session, [PING])
    other = RequestClaim(2, b"other")
    assert await admit(broker, session, [other, replace(PING, digest=b"changed")]) == [
        ClaimStatus.NEW,
        ClaimStatus.REFUSED,
    ]
    assert await admit(broker, session, [other]) == [ClaimStatus.NEW]


@kills("transport/sessions/memory.py", "if claim is None or not claim.running:", "if claim is None:")
async def test_only_an_open_request_takes_an_answer(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    assert not await broker.finish(session.id, 0, 1, b"never asked")
    await admit(broker, session, [PING])
    assert await broker.finish(session.id, 0, 1, b"first")
    assert not await broker.finish(session.id, 0, 1, b"second")
    assert await texts(await attached(broker, session.id)) == [b"first"]


async def test_a_cancelled_request_has_no_answer_and_is_never_run_again(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    await admit(broker, session, [PING])
    assert await broker.finish(session.id, 0, 1, None)
    assert await admit(broker, session, [PING]) == [ClaimStatus.REFUSED]


@kills("transport/sessions/memory.py", "if known is None or known.record.epoch != epoch:", "if known is None:")
async def test_initialize_forgets_ids_and_drops_late_answers(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    await admit(broker, session, [PING])
    initialize = RequestClaim(0, b"init", opens_epoch=True)
    assert await admit(broker, session, [initialize]) == [ClaimStatus.NEW]
    assert await admit(broker, session, [initialize]) == [ClaimStatus.RUNNING]
    assert await admit(broker, session, [replace(PING, digest=b"another")]) == [ClaimStatus.NEW]
    assert not await broker.finish(session.id, 0, 1, b"late")
    assert await broker.finish(session.id, 1, 1, b"current")
    assert await texts(await attached(broker, session.id)) == [b"current"]


async def test_only_so_many_ids_are_remembered_and_running_ones_are_never_forgotten(make_broker: MakeBroker) -> None:
    broker = await make_broker(max_request_ids=3)
    session = await opened(broker)
    await admit(broker, session, [PING])
    for number in range(2, 10):
        await admit(broker, session, [RequestClaim(number, b"x")])
        await broker.finish(session.id, 0, number, b"a")
    assert await admit(broker, session, [PING]) == [ClaimStatus.RUNNING]
    assert await admit(broker, session, [RequestClaim(2, b"not the first")]) == [ClaimStatus.NEW]


async def test_a_new_stream_replaces_the_old_one(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    first = await attached(broker, session.id)
    second = await attached(broker, session.id)
    assert (first.ended, second.ended) == (True, False)
    await first.close()
    await broker.append(session.id, Kind.NOTIFICATION, b"x")
    assert await texts(second) == [b"x"]
    assert broker.stats()["streams"] == 1


async def test_the_end_of_a_session_ends_its_stream(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    stream = await attached(broker, session.id)
    await broker.end(session.id)
    assert stream.ended
    assert await texts(stream) == []


async def test_a_stream_after_an_event_gets_what_is_newer(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    for text in (b"a", b"b", b"c"):
        await broker.append(session.id, Kind.NOTIFICATION, text)
    stream = await attached(broker, session.id)
    seen = await stream.events()
    stream.delivered(seen)
    await stream.close()
    assert await texts(await attached(broker, session.id, after=1)) == [b"b", b"c"]
    assert await texts(await attached(broker, session.id, after=0)) == [b"a", b"b", b"c"]


async def test_an_event_number_from_the_future_replays_nothing(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    stream = await attached(broker, session.id, after=10**17)
    await broker.append(session.id, Kind.NOTIFICATION, b"next")
    assert await texts(stream) == [b"next"]


async def test_caps_count_per_principal_and_per_instance(make_broker: MakeBroker) -> None:
    broker = await make_broker(max_sessions=3, max_sessions_per_principal=2)
    first, second = await opened(broker), await opened(broker)
    with pytest.raises(CapReachedError) as mine:
        await opened(broker)
    assert not mine.value.whole_instance
    for session in (first, second, await opened(broker, YOU)):
        await attached(broker, session.id)
    with pytest.raises(CapReachedError) as all_of_it:
        await opened(broker, YOU)
    assert all_of_it.value.whole_instance
    await broker.end(first.id)
    await opened(broker)


@kills("transport/sessions/valkey/broker.py", "most or not has_room(mine, len(readers), most)", "most")
async def test_an_organisation_that_fills_an_instance_leaves_slots_to_the_next(make_broker: MakeBroker) -> None:
    broker = await make_broker(max_sessions=9, max_sessions_per_principal=9)
    for number in range(8):
        await attached(broker, (await opened(broker, ("ours", f"{number}"))).id)
    with pytest.raises(CapReachedError) as refused:
        await opened(broker, ("ours", "one more"))
    assert refused.value.whole_instance
    await opened(broker, ("theirs", "first"))


@kills("transport/sessions/valkey/lua/open.lua", "if not longest then return 0 end", "")
async def test_a_reconnect_may_exceed_the_caps_twofold(make_broker: MakeBroker) -> None:
    broker = await make_broker(max_sessions=2, max_sessions_per_principal=2)
    for _ in range(4):
        await opened(broker, reconnect=True)
    with pytest.raises(CapReachedError):
        await opened(broker, reconnect=True)


async def test_what_happens_to_a_session_that_is_gone_is_swallowed(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    await broker.append("gone", Kind.NOTIFICATION, b"x")
    assert not await broker.finish("gone", 0, 1, b"x")
    await broker.end("gone")
    assert await broker.find("gone") is None
