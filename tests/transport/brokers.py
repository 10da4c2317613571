"""Helpers for broker tests: sessions, requests, streams, and a listener that ignores everything."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from transport.sessions.broker import ClaimStatus, InstanceMessage, RequestClaim, SessionBroker, StreamReader
from transport.sessions.session import SessionRecord, new_session_id

ME, YOU = ("default", "me"), ("default", "you")

MakeBroker = Callable[..., Awaitable[SessionBroker]]


class Quiet:
    """A listener that ignores everything."""

    def on_session_ended(self, session: str) -> None:
        pass

    def on_response_dropped(self) -> None:
        pass

    async def on_message(self, message: InstanceMessage) -> None:
        pass


async def opened(broker: SessionBroker, owner: tuple[str, str] = ME, *, reconnect: bool = False) -> SessionRecord:
    record = SessionRecord(id=new_session_id(), owner=owner, wire="sse")
    await broker.open(record, reconnect=reconnect)
    return record


async def admit(broker: SessionBroker, session: SessionRecord, calls: Sequence[RequestClaim]) -> list[ClaimStatus]:
    return (await broker.claim(session.id, session.owner, session.wire, calls))[1]


async def attached(broker: SessionBroker, session: str, after: int | None = None) -> StreamReader:
    reader = await broker.attach(session, after=after)
    assert reader is not None
    return reader


async def texts(reader: StreamReader) -> list[bytes]:
    async with asyncio.timeout(5):
        return [event.text() for event in await reader.events()]


PING = RequestClaim(1, b"digest")


async def news(reader: StreamReader) -> list[bytes]:
    """Return the next events, however many empty wake-ups come before them."""
    while not (received := await texts(reader)):
        pass
    return received
