"""Helpers for broker tests: sessions, requests, streams, and a listener that ignores everything."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from transport.sessions.broker import Admission, Attachment, Call, Note, SessionBroker
from transport.sessions.session import SessionRecord, new_session_id

ME, YOU = ("default", "me"), ("default", "you")

MakeBroker = Callable[..., Awaitable[SessionBroker]]


class Quiet:
    """A listener that ignores everything."""

    def ended(self, session: str) -> None:
        pass

    def dropped(self) -> None:
        pass

    async def told(self, note: Note) -> None:
        pass


async def opened(broker: SessionBroker, owner: tuple[str, str] = ME, *, reconnect: bool = False) -> SessionRecord:
    record = SessionRecord(id=new_session_id(), owner=owner, wire="sse")
    await broker.open(record, reconnect=reconnect)
    return record


async def admit(broker: SessionBroker, session: SessionRecord, calls: Sequence[Call]) -> list[Admission]:
    return (await broker.admit(session.id, session.owner, session.wire, calls))[1]


async def attached(broker: SessionBroker, session: str, after: int | None = None) -> Attachment:
    attachment = await broker.attach(session, after=after)
    assert attachment is not None
    return attachment


async def texts(attachment: Attachment) -> list[bytes]:
    async with asyncio.timeout(5):
        return [event.text() for event in await attachment.events()]


PING = Call(1, b"digest")


async def news(attachment: Attachment) -> list[bytes]:
    """Return the next events, however many empty wake-ups come before them."""
    while not (received := await texts(attachment)):
        pass
    return received
