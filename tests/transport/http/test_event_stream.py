"""The stream of a session as the body of an HTTP answer, where a real client could hardly bring it about."""

import asyncio
from typing import Any

from tests.kills import kills
from tests.transport.brokers import PING, claimed, opened
from tests.transport.serving import a_slot
from transport.http.event_stream import EventStreamResponse, StreamSource
from transport.sessions.memory import InMemoryBroker
from transport.sessions.session import Limits


async def never(*_: Any) -> Any:
    await asyncio.Event().wait()


@kills("transport/http/event_stream.py", "source.reader if isinstance(source, StreamSource) else None", "None")
async def test_a_stream_whose_first_byte_no_one_takes_lets_go_of_what_it_holds() -> None:
    broker = InMemoryBroker()
    session = await opened(broker)
    result = await claimed(broker, session, [PING], own_stream=True)
    assert result.reader is not None
    stream = EventStreamResponse(
        StreamSource(result.reader, session.id, result.stream),
        limits=Limits(write_s=0.01),
        draining=asyncio.Event(),
        slot=a_slot(),
    )
    async with asyncio.timeout(30):
        await stream({}, never, never)
    assert broker.stats()["streams"] == 0
