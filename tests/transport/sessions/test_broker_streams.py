"""The contract of a broker for sessions with several streams: each event belongs to one, each is read by one."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from tests.transport.brokers import PING, MakeBroker, admit, opened, texts
from transport.sessions.broker import ClaimStatus, RequestClaim, SessionBroker, StreamReader
from transport.sessions.event_log import Kind
from transport.sessions.session import SessionRecord

ONE, TWO = RequestClaim(1, b"one", stream="s1"), RequestClaim(2, b"two", stream="s2")


async def posted(broker: SessionBroker, session: SessionRecord, calls: Sequence[RequestClaim]) -> StreamReader:
    """Admit new requests and return the stream of their POST."""
    claimed = await broker.claim(session.id, session.owner, session.wire, calls)
    assert claimed.reader is not None
    return claimed.reader


async def resumed(broker: SessionBroker, session: SessionRecord, stream: str, after: int) -> StreamReader:
    reader = await broker.attach(session.id, stream=stream, after=after)
    assert reader is not None
    return reader


async def test_answers_and_notifications_come_on_the_stream_they_belong_to(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    standalone = await broker.attach(session.id)
    assert standalone is not None
    one, two = await posted(broker, session, [ONE]), await posted(broker, session, [TWO])
    await broker.append(session.id, Kind.NOTIFICATION, b"of two", stream="s2")
    await broker.append(session.id, Kind.NOTIFICATION, b"of nobody")
    await broker.finish(session.id, 0, 2, b"answer two")
    await broker.finish(session.id, 0, 1, b"answer one")
    assert await texts(one) == [b"answer one"]
    assert [*await texts(two), *(await texts(two) if two.has_news else [])] == [b"of two", b"answer two"]
    assert await texts(standalone) == [b"of nobody"]


async def test_the_stream_of_a_post_is_settled_with_its_last_answer(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    other = await posted(broker, session, [TWO])
    stream = await posted(broker, session, [ONE, RequestClaim(3, b"three", stream="s1")])
    await broker.finish(session.id, 0, 1, b"one")
    assert await texts(stream) == [b"one"]
    assert not await stream.is_settled()
    await broker.finish(session.id, 0, 3, b"three")
    assert not await stream.is_settled(), "it was not handed out"
    assert await texts(stream) == [b"three"]
    assert await stream.is_settled()
    assert not await other.is_settled()


async def test_the_standalone_stream_does_not_wait_for_answers_that_belong_elsewhere(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    standalone = await broker.attach(session.id)
    assert standalone is not None
    await posted(broker, session, [ONE])
    if standalone.has_news:  # whether it missed anything may have to be looked up
        await broker.append(session.id, Kind.NOTIFICATION, b"x")
        await texts(standalone)
    assert await standalone.is_settled()


async def test_a_stream_that_was_cut_is_resumed_alone_and_exactly(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    stream = await posted(broker, session, [ONE])
    await broker.append(session.id, Kind.NOTIFICATION, b"seen", stream="s1")
    (seen,) = await stream.events()
    await stream.close()
    await broker.append(session.id, Kind.NOTIFICATION, b"missed", stream="s1")
    await broker.append(session.id, Kind.NOTIFICATION, b"of another", stream="s2")
    await broker.append(session.id, Kind.NOTIFICATION, b"of nobody")
    again = await resumed(broker, session, "s1", seen.number)
    assert await texts(again) == [b"missed"]
    assert not await again.is_settled()
    await broker.finish(session.id, 0, 1, b"answer")
    assert await texts(again) == [b"answer"]
    assert await again.is_settled()
    assert await texts(await resumed(broker, session, "s1", 0)) == [b"seen", b"missed", b"answer"]


async def test_no_one_resumes_a_stream_that_never_was(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    await posted(broker, session, [ONE])
    assert await broker.attach(session.id, stream="s3", after=0) is None


async def test_a_repeated_post_takes_its_stream_over(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    first = await posted(broker, session, [ONE])
    second = await posted(broker, session, [ONE])
    assert (first.ended, second.ended) == (True, False)
    await first.close()
    await broker.finish(session.id, 0, 1, b"answer")
    assert await texts(second) == [b"answer"]
    assert await second.is_settled()
    await second.close()
    third = await posted(broker, session, [ONE])
    assert await texts(third) == [b"answer"]
    assert await third.is_settled()


async def test_a_repeat_in_another_post_gets_the_answer_there(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    await posted(broker, session, [ONE])
    batch = await posted(broker, session, [replace(ONE, stream="s9"), RequestClaim(9, b"nine", stream="s9")])
    for request in (1, 9):
        await broker.finish(session.id, 0, request, b"answer %d" % request)
    received: list[bytes] = []
    while len(received) < 2:
        received += await texts(batch)
    assert received == [b"answer 1", b"answer 9"]


async def test_a_refused_post_leaves_the_stream_to_whoever_had_it(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    first = await posted(broker, session, [ONE])
    refused = await broker.claim(session.id, session.owner, session.wire, [replace(ONE, digest=b"changed")])
    assert (refused.statuses, refused.reader) == ([ClaimStatus.REFUSED], None)
    await broker.finish(session.id, 0, 1, b"answer")
    assert await texts(first) == [b"answer"]


async def test_a_stream_that_is_hung_up_ends_and_can_be_resumed(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    stream = await posted(broker, session, [ONE])
    broker.close_stream(session.id, "s1")
    broker.close_stream(session.id, "nobody reads this")
    assert stream.ended
    await stream.close()
    await broker.finish(session.id, 0, 1, b"answer")
    assert await texts(await resumed(broker, session, "s1", 0)) == [b"answer"]


async def test_a_new_epoch_and_the_end_of_the_session_end_the_streams_of_posts(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    earlier = await posted(broker, session, [ONE])
    looking_around = asyncio.create_task(texts(earlier))
    latest = await posted(broker, session, [RequestClaim(5, b"init", opens_epoch=True, stream="s5")])
    assert not await broker.finish(session.id, 0, 1, b"late")
    assert await looking_around == []
    while not await earlier.is_settled():
        await texts(earlier)
    await broker.end(session.id)
    assert latest.ended
    assert broker.stats() == {"sessions": 0, "streams": 0, "log_bytes": 0}


async def test_what_was_delivered_makes_room_on_whatever_stream(make_broker: MakeBroker) -> None:
    broker = await make_broker(max_events=4)
    session = await opened(broker)
    await posted(broker, session, [TWO])
    await broker.finish(session.id, 0, 2, b"waits for its reader")
    stream = await posted(broker, session, [ONE])
    for number in range(6):
        await broker.append(session.id, Kind.NOTIFICATION, b"%d" % number, stream="s1")
        stream.delivered(await stream.events())
        await stream.close()
        stream = await resumed(broker, session, "s1", number + 2)
    assert await texts(await resumed(broker, session, "s2", 0)) == [b"waits for its reader"]


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


async def test_requests_without_a_stream_belong_to_the_standalone_one(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    assert await admit(broker, session, [PING]) == [ClaimStatus.NEW]
    assert (await broker.claim(session.id, session.owner, session.wire, [PING])).reader is None
