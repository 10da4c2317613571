"""The contract of a broker for sessions with several streams: each event belongs to one, each is read by one."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tests.kills import kills
from tests.transport.brokers import PING, MakeBroker, claim, claimed, news, opened, texts
from transport.sessions.broker import SessionBroker, StreamReader
from transport.sessions.claims import Attempt, ClaimStatus, RequestClaim
from transport.sessions.event_log import Kind
from transport.sessions.session import SessionRecord

ONE, TWO, THREE = (RequestClaim(number, b"%d" % number) for number in (1, 2, 3))


class Posted(NamedTuple):
    """A POST with a stream of its own."""

    attempts: list[Attempt]
    reader: StreamReader
    stream: str


async def posted(broker: SessionBroker, session: SessionRecord, claims: Sequence[RequestClaim]) -> Posted:
    """Claim requests of one POST."""
    result = await claimed(broker, session, claims, own_stream=True)
    assert result.reader is not None
    return Posted([one for one in result.attempts if one is not None], result.reader, result.stream)


async def resumed(broker: SessionBroker, session: SessionRecord, stream: str, after: int) -> StreamReader:
    reader = await broker.attach(session.id, stream=stream, after=after)
    assert reader is not None
    return reader


async def test_responses_and_notifications_come_on_the_stream_they_belong_to(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    standalone = await broker.attach(session.id)
    assert standalone is not None
    one, two = await posted(broker, session, [ONE]), await posted(broker, session, [TWO])
    await broker.append(session.id, Kind.NOTIFICATION, b"of two", stream=two.stream)
    await broker.append(session.id, Kind.NOTIFICATION, b"of no POST")
    await broker.finish(two.attempts[0], b"response two")
    await broker.finish(one.attempts[0], b"response one")
    assert await news(one.reader) == [b"response one"]
    assert await news(two.reader, 2) == [b"of two", b"response two"]
    assert await news(standalone) == [b"of no POST"]


async def test_the_stream_of_a_post_is_settled_with_its_last_response(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    other = await posted(broker, session, [TWO])
    (one, three), reader, _ = await posted(broker, session, [ONE, THREE])
    await broker.finish(one, b"one")
    assert await texts(reader) == [b"one"]
    assert not await reader.is_settled()
    await broker.finish(three, b"three")
    assert not await reader.is_settled(), "it was not returned"
    assert await texts(reader) == [b"three"]
    assert await reader.is_settled()
    assert not await other.reader.is_settled()


async def test_the_standalone_stream_does_not_wait_for_responses_that_belong_elsewhere(
    make_broker: MakeBroker,
) -> None:
    broker = await make_broker()
    session = await opened(broker)
    standalone = await broker.attach(session.id)
    assert standalone is not None
    await posted(broker, session, [ONE])
    assert await standalone.is_settled()


async def test_a_stream_that_was_cut_is_resumed_alone_and_exactly(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    other = await posted(broker, session, [TWO])
    (attempt,), reader, stream = await posted(broker, session, [ONE])
    await broker.append(session.id, Kind.NOTIFICATION, b"seen", stream=stream)
    (seen,) = await reader.events()
    await reader.close()
    await broker.append(session.id, Kind.NOTIFICATION, b"missed", stream=stream)
    await broker.append(session.id, Kind.NOTIFICATION, b"of another", stream=other.stream)
    await broker.append(session.id, Kind.NOTIFICATION, b"of no POST")
    again = await resumed(broker, session, stream, seen.number)
    assert await texts(again) == [b"missed"]
    assert not await again.is_settled()
    await broker.finish(attempt, b"response")
    assert await texts(again) == [b"response"]
    assert await again.is_settled()
    assert await texts(await resumed(broker, session, stream, 0)) == [b"seen", b"missed", b"response"]


async def test_a_stream_that_never_was_cannot_be_resumed(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    await posted(broker, session, [ONE])
    assert await broker.attach(session.id, stream="made up", after=0) is None


async def test_a_repeated_post_takes_its_stream_over_while_it_runs(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    first = await posted(broker, session, [ONE])
    second = await posted(broker, session, [ONE])
    assert (first.reader.ended, second.reader.ended) == (True, False)
    assert (second.stream, second.attempts) == (first.stream, [])
    await first.reader.close()
    await broker.finish(first.attempts[0], b"response")
    assert await news(second.reader) == [b"response"]
    assert await second.reader.is_settled()
    third = await posted(broker, session, [ONE])
    assert third.stream != first.stream
    assert len(third.attempts) == 1


@kills("transport/sessions/claims.py", 'claim.digest if stream else b""', 'b""')
@kills(
    "transport/sessions/valkey/lua/common.lua",
    "return stream == '' and request or digest .. ' ' .. request end",
    "return request end",
)
async def test_requests_with_one_id_and_different_bodies_run_beside_each_other(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    posts = [await posted(broker, session, [RequestClaim(1, b"body %d" % number)]) for number in range(3)]
    assert sorted(await broker.running(session.id, 1)) == sorted(post.attempts[0].token for post in posts)
    for number in (2, 1, 0):
        await broker.finish(posts[number].attempts[0], b"response %d" % number)
    for number, post in enumerate(posts):
        assert await news(post.reader) == [b"response %d" % number]
        assert await post.reader.is_settled()
        assert await texts(await resumed(broker, session, post.stream, 0)) == [b"response %d" % number]


async def test_a_batch_joins_one_post_as_a_whole_or_is_refused(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    first, other = await posted(broker, session, [ONE, TWO]), await posted(broker, session, [THREE])
    nine = RequestClaim(9, b"nine")
    for batch, statuses in (
        ([ONE, nine], [ClaimStatus.REFUSED, ClaimStatus.NEW]),
        ([ONE, THREE], [ClaimStatus.REFUSED, ClaimStatus.REFUSED]),
    ):
        refused = await claimed(broker, session, batch, own_stream=True)
        assert (refused.statuses, refused.reader) == (statuses, None)
        assert refused.attempts == [None, None]
    assert list(await broker.running(session.id, 9)) == []
    again = await posted(broker, session, [TWO, ONE])
    assert (again.stream, first.reader.ended, other.reader.ended) == (first.stream, True, False)


async def test_a_refused_post_leaves_the_stream_to_its_reader(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    first = await posted(broker, session, [ONE])
    refused = await claimed(broker, session, [ONE, TWO], own_stream=True)
    assert refused.reader is None
    await broker.finish(first.attempts[0], b"response")
    assert await texts(first.reader) == [b"response"]


async def test_a_stream_that_is_closed_ends_and_can_be_resumed(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    (attempt,), reader, stream = await posted(broker, session, [ONE])
    broker.close_stream(session.id, stream)
    broker.close_stream(session.id, "unknown")
    assert reader.ended
    await reader.close()
    await broker.finish(attempt, b"response")
    assert await texts(await resumed(broker, session, stream, 0)) == [b"response"]


async def test_a_new_epoch_and_the_end_of_the_session_end_the_streams_of_posts(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    earlier = await posted(broker, session, [ONE])
    waiting = asyncio.create_task(texts(earlier.reader))
    latest = await posted(broker, session, [RequestClaim(5, b"init", opens_epoch=True)])
    assert not await broker.finish(earlier.attempts[0], b"late")
    assert await waiting == []
    while not await earlier.reader.is_settled():
        await texts(earlier.reader)
    await broker.end(session.id)
    assert latest.reader.ended
    assert broker.stats() == {"sessions": 0, "streams": 0, "log_bytes": 0}


async def test_the_response_on_the_stream_of_a_post_stays_when_its_id_is_claimed_again(
    make_broker: MakeBroker,
) -> None:
    broker = await make_broker()
    session = await opened(broker)
    first = await posted(broker, session, [ONE])
    await broker.finish(first.attempts[0], b"first")
    second = await posted(broker, session, [replace(ONE, digest=b"changed")])
    await broker.finish(second.attempts[0], b"second")
    assert await texts(await resumed(broker, session, first.stream, 0)) == [b"first"]
    assert await texts(await resumed(broker, session, second.stream, 0)) == [b"second"]


@kills("transport/sessions/valkey/lua/claim.lua", "call('HDEL', responses, request.id)", "")
async def test_a_lost_response_is_reported_for_the_newest_attempt_on_the_standalone_stream(
    make_broker: MakeBroker,
) -> None:
    broker = await make_broker(max_events=1)
    session = await opened(broker)
    for request in (PING, PING, TWO):
        result = await claimed(broker, session, [request])
        assert result.attempts[0] is not None
        await broker.finish(result.attempts[0], b"response")
    assert await claim(broker, session, [THREE]) == [ClaimStatus.NEW]
    reader = await broker.attach(session.id, after=0)
    assert reader is not None
    events = await reader.events()
    assert [(event.request, b"result_lost" in event.text()) for event in events] == [(1, True), (2, False)]
    assert await claim(broker, session, [PING]) == [ClaimStatus.NEW]
    reader = await broker.attach(session.id, after=0)
    assert reader is not None
    assert [event.request for event in await reader.events()] == [2]


async def test_what_was_delivered_makes_room_on_whatever_stream(make_broker: MakeBroker) -> None:
    broker = await make_broker(max_events=4)
    session = await opened(broker)
    two = await posted(broker, session, [TWO])
    await broker.finish(two.attempts[0], b"waits for its reader")
    _, reader, stream = await posted(broker, session, [ONE])
    for number in range(6):
        await broker.append(session.id, Kind.NOTIFICATION, b"%d" % number, stream=stream)
        reader.delivered(await reader.events())
        await reader.close()
        reader = await resumed(broker, session, stream, number + 2)
    assert await texts(await resumed(broker, session, two.stream, 0)) == [b"waits for its reader"]


async def test_what_a_reader_saw_stays_seen_though_the_next_one_reads_nothing(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    await broker.append(session.id, Kind.NOTIFICATION, b"once")
    for expected in ([b"once"], [], []):
        stream = await broker.attach(session.id)
        assert stream is not None
        broker.wake_streams()
        events = await stream.events()
        assert [event.text() for event in events] == expected
        stream.delivered(events)
        await stream.close()


async def test_requests_without_a_stream_of_their_own_belong_to_the_standalone_one(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    result = await claimed(broker, session, [PING])
    assert (result.statuses, result.reader, result.stream) == ([ClaimStatus.NEW], None, "")
