"""The contract of a sink: what is stored while a reader waits is written at once or returned, never both."""

import asyncio
from collections.abc import Sequence

from tests.transport.brokers import PING, MakeBroker, attached, opened, started, texts
from transport.sessions.broker import SessionBroker
from transport.sessions.event_log import Event, Kind
from transport.sessions.session import SessionRecord


class Sink:
    """Takes events; `reads` is whether its client does."""

    def __init__(self, *, reads: bool = True) -> None:
        self.reads = reads
        self.taken: list[bytes] = []

    def __call__(self, event: Event) -> bool:
        self.taken.append(event.text())
        return self.reads


async def append(broker: SessionBroker, session: SessionRecord, *messages: bytes) -> None:
    for message in messages:
        await broker.append(session.id, Kind.NOTIFICATION, message)


async def test_each_event_is_written_or_returned_once_and_in_order(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    reader, received = await attached(broker, session.id), Sink()
    await append(broker, session, b"0")
    for number in range(1, 10, 2):
        waiting = asyncio.create_task(reader.events(received))
        await asyncio.sleep(0)
        await append(broker, session, b"%d" % number, b"%d" % (number + 1))
        while len(received.taken) < number + 2:
            if waiting.done():
                received.taken += [event.text() for event in waiting.result()]
                waiting = asyncio.create_task(reader.events(received))
            await asyncio.sleep(0.001)
        reader.wake()
        received.taken += [event.text() for event in await waiting]
    assert received.taken == [b"%d" % number for number in range(11)]


async def test_a_sink_that_cannot_write_is_given_no_further_event(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    reader, full = await attached(broker, session.id), Sink(reads=False)
    waiting = asyncio.create_task(reader.events(full))
    await asyncio.sleep(0)
    await append(broker, session, b"1", b"2", b"3")
    async with asyncio.timeout(10):
        received = [event.text() for event in await waiting]
        while len(full.taken) + len(received) < 3:
            received += await texts(reader)
    assert len(full.taken) <= 1
    assert [*full.taken, *received] == [b"1", b"2", b"3"]


async def test_a_waiting_reader_need_not_be_woken_for_a_response(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    reader, sink = await attached(broker, session.id), Sink()
    waiting = asyncio.create_task(reader.events(sink))
    await asyncio.sleep(0)
    await broker.finish(await started(broker, session, PING), b"response")
    assert sink.taken == [b"response"]
    await asyncio.sleep(0.01)
    assert not waiting.done()
    waiting.cancel()


async def test_no_sink_is_used_once_a_reader_was_woken_or_left(make_broker: MakeBroker) -> None:
    broker = await make_broker()
    session = await opened(broker)
    reader, sink = await attached(broker, session.id), Sink()
    for leave in ("woken", "cancelled"):
        waiting = asyncio.create_task(reader.events(sink))
        await asyncio.sleep(0)
        if leave == "woken":
            reader.wake()  # its stream may have to end
        else:
            waiting.cancel()
            await asyncio.wait({waiting})
        await append(broker, session, leave.encode())
        assert sink.taken == []
        received = [] if waiting.cancelled() else await texts_of(waiting)
        assert (received or await texts(reader)) == [leave.encode()]


async def texts_of(waiting: "asyncio.Task[Sequence[Event]]") -> list[bytes]:
    return [event.text() for event in await waiting]
