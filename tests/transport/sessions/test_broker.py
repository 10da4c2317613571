"""The contract of the session broker: every implementation passes the same tests."""

import asyncio
import time
from dataclasses import replace

import pytest

from tests.kills import kills
from tests.transport.brokers import PING, YOU, MakeBroker, attached, claim, news, opened, started, texts
from transport.sessions.broker import (
    CapReachedError,
    ClaimStore,
    InstanceHub,
    Listener,
    SessionGoneError,
    SessionStore,
    StreamReader,
    StreamStore,
)
from transport.sessions.claims import Attempt, ClaimStatus, RequestClaim
from transport.sessions.event_log import Kind


async def test_an_opened_session_is_found_until_it_ends(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    assert await broker.find(session.id) is not None
    await broker.end(session.id)
    assert await broker.find(session.id) is None
    assert await broker.attach(session.id) is None
    with pytest.raises(SessionGoneError):
        await claim(broker, session, [PING])
    assert broker.stats() == {"sessions": 0, "streams": 0, "log_bytes": 0}


async def test_the_view_has_every_living_session_and_when_its_client_called(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    mine, yours, over = await opened(broker), await opened(broker, YOU), await opened(broker)
    await broker.end(over.id)
    began = time.time()
    await claim(broker, mine, [PING])

    views = {view.owner: view for view in await broker.view(10)}

    assert len(await broker.view(10)) == 2
    assert views[yours.owner].called_at is None
    called_at = views[mine.owner].called_at
    assert called_at is not None
    assert began - 30 <= called_at <= time.time() + 30
    assert began - 60 <= views[mine.owner].opened_at <= called_at + 30
    assert len(await broker.view(1)) == 1


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


async def test_wake_streams_makes_readers_return(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    waiting = asyncio.create_task(texts(await attached(broker, session.id)))
    await asyncio.sleep(0)
    broker.wake_streams()
    assert await waiting == []


async def test_a_request_is_joined_while_it_runs_and_new_again_afterwards(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    attempt = await started(broker, session, PING)
    assert await claim(broker, session, [PING]) == [ClaimStatus.JOINED]
    assert await broker.finish(attempt, b"response")
    assert await claim(broker, session, [PING]) == [ClaimStatus.NEW]


@kills("transport/sessions/memory.py", "known.withdraw(decision.withdrawn)", "pass")
@kills("transport/sessions/valkey/lua/claim.lua", "call('XDEL', log_of(session), entry[1])", "")
async def test_the_response_to_an_id_that_was_claimed_again_is_withdrawn(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    other = await started(broker, session, RequestClaim(2, b"two"))
    for text in (b"first", b"second"):
        assert await broker.finish(await started(broker, session, PING), text)
    assert await broker.finish(other, b"other")
    last = await started(broker, session, PING)
    for after in (None, 0):
        assert await texts(await attached(broker, session.id, after)) == [b"other"]
    assert await broker.finish(last, b"last")
    for after in (None, 0):
        assert await texts(await attached(broker, session.id, after)) == [b"other", b"last"]


async def test_a_response_that_a_reader_did_not_take_yet_is_withdrawn_as_well(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    attempt, before = await started(broker, session, PING), await attached(broker, session.id)
    await broker.finish(attempt, b"not taken")
    after = await attached(broker, session.id)
    again = await started(broker, session, PING)
    assert before.ended
    await broker.finish(again, b"taken")
    assert await news(after) == [b"taken"]


async def test_another_body_under_a_running_id_is_refused_and_takes_the_whole_post_with_it(
    make_broker: MakeBroker,
) -> None:
    broker = await make_broker()
    session = await opened(broker)
    await started(broker, session, PING)
    other = RequestClaim(2, b"other")
    assert await claim(broker, session, [other, replace(PING, digest=b"changed")]) == [
        ClaimStatus.NEW,
        ClaimStatus.REFUSED,
    ]
    assert await claim(broker, session, [other]) == [ClaimStatus.NEW]


async def test_only_a_running_attempt_takes_a_response(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    assert not await broker.finish(Attempt(session.id, 0, 1, "unknown", "", False), b"never asked")
    attempt = await started(broker, session, PING)
    assert await broker.finish(attempt, b"first")
    assert not await broker.finish(attempt, b"second")
    assert await texts(await attached(broker, session.id)) == [b"first"]


async def test_a_late_response_or_cancellation_leaves_the_next_attempt_of_its_id_alone(
    make_broker: MakeBroker,
) -> None:
    broker = await make_broker()
    session = await opened(broker)
    earlier = await started(broker, session, PING)
    await broker.finish(earlier, None)
    later = await started(broker, session, PING)
    assert not await broker.finish(earlier, b"late")
    assert not await broker.finish(earlier, None)
    assert list(await broker.running(session.id, 1)) == [later.token]
    assert await broker.finish(later, b"response")
    assert await texts(await attached(broker, session.id)) == [b"response"]


async def test_a_cancelled_request_has_no_response_and_its_id_is_free(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    assert await broker.finish(await started(broker, session, PING), None)
    assert list(await broker.running(session.id, 1)) == []
    assert await claim(broker, session, [replace(PING, digest=b"changed")]) == [ClaimStatus.NEW]


async def test_initialize_forgets_what_runs_and_drops_late_responses(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    earlier = await started(broker, session, PING)
    initialize = RequestClaim(0, b"init", opens_epoch=True)
    assert (await started(broker, session, initialize)).epoch == 1
    assert await claim(broker, session, [initialize]) == [ClaimStatus.JOINED]
    current = await started(broker, session, replace(PING, digest=b"another"))
    assert not await broker.finish(earlier, b"late")
    assert await broker.finish(current, b"current")
    assert await texts(await attached(broker, session.id)) == [b"current"]


async def test_only_so_many_responses_are_remembered_and_what_runs_is_never_forgotten(make_broker: MakeBroker) -> None:
    broker = await make_broker(max_request_ids=3, max_events=1)
    session = await opened(broker)
    await started(broker, session, PING)
    for number in range(2, 10):
        await broker.finish(await started(broker, session, RequestClaim(number, b"x")), b"%d" % number)
    assert await claim(broker, session, [PING]) == [ClaimStatus.JOINED]
    reader = await attached(broker, session.id, after=0)
    *lost, last = await texts(reader)
    assert (len(lost) <= 3, all(b"result_lost" in one for one in lost), last) == (True, True, b"9")


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


@kills("transport/sessions/valkey/broker.py", "if not has_room(mine, len(readers), most):", "if len(readers) >= most:")
async def test_an_organisation_that_fills_an_instance_leaves_slots_to_the_next(make_broker: MakeBroker) -> None:
    broker = await make_broker(max_sessions=9, max_sessions_per_principal=9)
    for number in range(8):
        await attached(broker, (await opened(broker, ("ours", f"{number}"))).id)
    with pytest.raises(CapReachedError) as refused:
        await opened(broker, ("ours", "one more"))
    assert refused.value.whole_instance
    await opened(broker, ("theirs", "first"))


async def test_a_reconnect_may_exceed_the_caps_twofold(make_broker: MakeBroker) -> None:
    broker = await make_broker(max_sessions=2, max_sessions_per_principal=2)
    for _ in range(4):
        await opened(broker, reconnect=True)
    with pytest.raises(CapReachedError):
        await opened(broker, reconnect=True)


async def test_what_happens_to_a_session_that_is_gone_is_swallowed(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    await broker.append("gone", Kind.NOTIFICATION, b"x")
    assert not await broker.finish(Attempt("gone", 0, 1, "token", "", False), b"x")
    assert list(await broker.running("gone", 1)) == []
    await broker.end("gone")
    assert await broker.find("gone") is None


@pytest.mark.parametrize("part", [SessionStore, ClaimStore, StreamStore, InstanceHub, StreamReader, Listener])
def test_a_part_of_the_contract_has_few_members(part: type) -> None:
    assert len([name for name in vars(part) if not name.startswith("_")]) <= 8
