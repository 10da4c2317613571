"""What tests of brokers have in common: sessions, requests, streams, and a listener that wants to know nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from transport.sessions.broker import ClaimStatus, InstanceMessage, RequestClaim, SessionBroker, StreamReader
from transport.sessions.session import SessionRecord, new_session_id

ME, YOU = ("default", "me"), ("default", "you")

MakeBroker = Callable[..., Awaitable[SessionBroker]]


class Quiet:
    """Wants to know nothing."""

    def ended(self, session: str) -> None:
        pass

    def dropped(self) -> None:
        pass

    async def told(self, note: InstanceMessage) -> None:
        pass


async def opened(broker: SessionBroker, owner: tuple[str, str] = ME, *, reconnect: bool = False) -> SessionRecord:
    record = SessionRecord(id=new_session_id(), owner=owner, wire="sse")
    await broker.open(record, reconnect=reconnect)
    return record


async def admit(broker: SessionBroker, session: SessionRecord, calls: Sequence[RequestClaim]) -> list[ClaimStatus]:
    return (await broker.admit(session.id, session.owner, session.wire, calls))[1]


async def attached(broker: SessionBroker, session: str, after: int | None = None) -> StreamReader:
    attachment = await broker.attach(session, after=after)
    assert attachment is not None
    return attachment


async def texts(attachment: StreamReader) -> list[bytes]:
    async with asyncio.timeout(5):
        return [event.text() for event in await attachment.events()]


PING = RequestClaim(1, b"digest")


async def news(attachment: StreamReader) -> list[bytes]:
    """Return what comes next, however often the stream is to look around before."""
    while not (received := await texts(attachment)):
        pass
    return received
