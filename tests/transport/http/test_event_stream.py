"""The stream of a session as the body of an HTTP answer, where a real client could hardly bring it about."""

import asyncio
from typing import Any, Self

import pytest

from tests.kills import kills
from tests.transport.brokers import PING, attached, claimed, opened, texts
from tests.transport.serving import a_slot, until
from transport.http.event_stream import EventStreamResponse, StreamSource
from transport.sessions.event_log import Kind
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits


async def never(*_: Any) -> Any:
    await asyncio.Event().wait()


@kills(
    "transport/http/event_stream.py",
    "await within(self._limits.write_s, self._send(message))",
    "await self._send(message)",
)
@kills("transport/http/event_stream.py", "source.reader if isinstance(source, StreamSource) else None", "None")
async def test_a_stream_whose_first_byte_no_one_takes_lets_go_of_what_it_holds() -> None:
    broker = InMemoryBroker()
    session = await opened(broker)
    result = await claimed(broker, session, [PING], own_stream=True)
    assert result.reader is not None
    stream = EventStreamResponse(
        StreamSource(result.reader, session.id, result.stream),
        wire="sse",
        limits=Limits(write_s=0.01),
        draining=asyncio.Event(),
        slot=a_slot(),
    )
    async with asyncio.timeout(30):
        await stream({}, never, never)
    assert broker.stats()["streams"] == 0


class Client:
    """The ASGI server below a stream: what was sent, by which task, and whether the client reads."""

    def __init__(self) -> None:
        self.sent = b""
        self.tasks = list[asyncio.Task[Any] | None]()
        self.reads = asyncio.Event()
        self.reads.set()
        self.failure: OSError | None = None

    async def send(self, message: Any) -> None:
        if self.failure is not None:
            raise self.failure
        await self.reads.wait()
        self.sent += message.get("body", b"")
        self.tasks.append(asyncio.current_task())

    def shows(self, *messages: bytes) -> bool:
        """Whether exactly these messages were sent, in this order."""
        return [line for line in self.sent.split(b"\n") if line.startswith(b"data: ")] == [
            b"data: " + m for m in messages
        ]


class Streaming:
    """A standalone stream that runs until the block ends."""

    def __init__(self, **limits: Any) -> None:
        self.broker, self.client, self.slot = InMemoryBroker(), Client(), a_slot()
        self.limits = Limits(**limits)

    async def __aenter__(self) -> Self:
        self.session = await opened(self.broker)
        source = StreamSource(await attached(self.broker, self.session.id), self.session.id)
        stream = EventStreamResponse(source, wire="sse", limits=self.limits, draining=asyncio.Event(), slot=self.slot)
        self.task = asyncio.create_task(stream({}, never, self.client.send))
        await until(lambda: self.client.sent != b"")
        await asyncio.sleep(0.01)  # until it waits for events
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})

    async def append(self, *messages: bytes) -> None:
        for message in messages:
            await self.broker.append(self.session.id, Kind.NOTIFICATION, message)


async def test_an_event_is_written_by_the_task_that_stores_it_while_its_client_reads() -> None:
    async with Streaming() as at:
        await at.append(b"one", b"two")
        assert at.client.shows(b"one", b"two")
        assert at.client.tasks[-2:] == [asyncio.current_task()] * 2
        assert await texts(await attached(at.broker, at.session.id, after=1)) == [b"two"]


async def test_a_client_that_does_not_read_holds_up_no_call_and_misses_nothing() -> None:
    async with Streaming() as at:
        at.client.reads.clear()
        async with asyncio.timeout(5):
            await at.append(b"one", b"two", b"three")
        assert at.client.shows()
        at.client.reads.set()
        await until(lambda: at.client.shows(b"one", b"two", b"three"))
        assert at.client.tasks[-1] is at.task
        await at.append(b"four")
        assert at.client.shows(b"one", b"two", b"three", b"four")


@kills("transport/http/event_stream.py", "async with asyncio.timeout(self._limits.write_s):", "if True:")
async def test_a_client_that_never_reads_is_cut_off_in_time_and_gets_the_event_later() -> None:
    async with Streaming(write_s=0.05) as at:
        at.client.reads.clear()
        await at.append(b"one")
        async with asyncio.timeout(10):
            await at.task
        assert await texts(await attached(at.broker, at.session.id)) == [b"one"]


async def test_a_failing_connection_fails_its_stream_and_not_the_call_that_writes() -> None:
    async with Streaming() as at:
        at.client.failure = OSError("broken")
        await at.append(b"one")
        with pytest.raises(OSError, match="broken"):
            await at.task
        assert await texts(await attached(at.broker, at.session.id)) == [b"one"]


@kills(
    "transport/http/event_stream.py",
    "if self._is_cut:\n                continue",
    "if False:\n                continue",
)
async def test_nothing_is_written_to_a_stream_that_was_cut() -> None:
    async with Streaming() as at:
        assert at.slot.cut is not None
        at.slot.cut()
        await at.append(b"not for this credential any more")
        await at.task
        assert at.client.shows()
