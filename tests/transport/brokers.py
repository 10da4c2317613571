"""Helpers for broker tests: sessions, requests, streams, and a listener that ignores everything."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from transport.sessions.broker import ClaimResult, InstanceMessage, SessionBroker, StreamReader
from transport.sessions.claims import Attempt, ClaimStatus, RequestClaim
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


async def claimed(
    broker: SessionBroker, session: SessionRecord, claims: Sequence[RequestClaim], *, own_stream: bool = False
) -> ClaimResult:
    return await broker.claim(session.id, session.owner, session.wire, claims, own_stream=own_stream)


async def claim(broker: SessionBroker, session: SessionRecord, claims: Sequence[RequestClaim]) -> list[ClaimStatus]:
    return (await claimed(broker, session, claims)).statuses


async def started(broker: SessionBroker, session: SessionRecord, request: RequestClaim) -> Attempt:
    """Claim a new request whose response comes on the standalone stream."""
    (attempt,) = (await claimed(broker, session, [request])).attempts
    assert attempt is not None
    return attempt


async def attached(broker: SessionBroker, session: str, after: int | None = None) -> StreamReader:
    reader = await broker.attach(session, after=after)
    assert reader is not None
    return reader


async def texts(reader: StreamReader) -> list[bytes]:
    async with asyncio.timeout(10):
        return [event.text() for event in await reader.events()]


PING = RequestClaim(1, b"digest")


async def news(reader: StreamReader, count: int = 1) -> list[bytes]:
    """Return what comes next, at least `count` events, however often `events` returns without any."""
    received: list[bytes] = []
    while len(received) < count:
        received += await texts(reader)
    return received
