"""A stream that begins on a connection whose client has not even taken the answer before it."""

import asyncio
from typing import Any

from tests.transport.brokers import MakeBroker, attached, opened
from transport.event_stream import Opened, Stream
from transport.session import Limits


async def test_a_stream_whose_first_bytes_nobody_takes_is_let_go(make_broker: MakeBroker) -> None:
    never = asyncio.Event()
    broker = await make_broker()
    session = await opened(broker)
    attachment = await attached(broker, session.id)
    assert broker.figures()["streams"] == 1

    async def opening(_: Stream) -> Opened | None:
        raise AssertionError("it has nobody to stream to")

    async def receive() -> Any:
        await never.wait()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await never.wait()

    stream = Stream(opening, limits=Limits(write_s=0.05), draining=asyncio.Event(), attachment=attachment)
    await stream({}, receive, send)

    assert broker.figures()["streams"] == 0
