"""S2 and S3: what a client that lost its stream gets when it reconnects, as browsers and the TypeScript SDK do.

A browser sends `Last-Event-ID`. The TypeScript SDK does not: it sends `MCP-Protocol-Version`, does not initialize
again, and responds to a ping on the new stream at its old endpoint, by which a server can identify the session.
"""

import asyncio
from typing import Final

from sse_conformance.client import Client, NotConformingError
from sse_conformance.scenarios.expect import expect_202, list_method
from sse_conformance.scenarios.refusing import other_client
from sse_conformance.session import Id, Session, open_session
from sse_conformance.verdict import Level, NotApplicableError, scenario

_REVISION: Final = "2025-06-18"
_COMES_AGAIN: Final = {"mcp-protocol-version": _REVISION}
_NO_PING: Final = "No ping came before the endpoint event, so the server cannot identify the session."


@scenario(Level.PROMISE, "S2, S3 a")
async def last_event_id_brings_exactly_what_is_newer(client: Client) -> None:
    """The same session, and every later response once and in order, including that of a request sent meanwhile."""
    session = await open_session(client)
    await session.settle()
    url, last = session.url, session.stream.messages[-1].event.id
    newer = [(await _ask(session)) for _ in range(2)]
    await session.close()
    away = session.next_request("ping")
    expect_202(await session.post(away), "A POST on a session without an open stream")
    await session.open({"last-event-id": last})
    if session.url != url:
        raise NotConformingError("A GET with Last-Event-ID got another session.")
    await session.respond(away["id"], "a request sent while the client was away")
    final = await _ask(session)
    got = [one.value.get("id") for one in session.stream.messages if "method" not in one.value]
    if got != [*newer, away["id"], final]:
        raise NotConformingError(f"{len(got)} responses came where {len(newer) + 2} were newer, or in another order.")


async def _ask(session: Session) -> Id:
    """Send a ping, wait for its response and return its id."""
    ping = session.next_request("ping")
    await session.send(ping)
    await session.respond(ping["id"], "ping")
    request_id: Id = ping["id"]
    return request_id


@scenario(Level.PROMISE, "S3 c")
async def an_unknown_last_event_id_gets_a_new_session(client: Client) -> None:
    """An event id that the server never issued is no reason to refuse: a new session opens and can be initialized."""
    session = await open_session(client, None)
    await session.close()
    await session.open({"last-event-id": "no-such-event"})
    await session.handshake()
    await session.settle()


@scenario(Level.PROMISE, "S3 a")
async def a_foreign_last_event_id_gets_a_new_session(client: Client) -> None:
    """An event id of another user's session opens a new session."""
    session = await open_session(client)
    await session.settle()
    last = session.stream.messages[-1].event.id
    if not last:
        raise NotApplicableError("Events have no ids.")
    other = await open_session(client, None, credentials=other_client(client))
    await other.open({"last-event-id": last})
    if other.url == session.url:
        raise NotConformingError("A client got another person's session with an event id.")
    await session.settle()


async def _lose_stream(session: Session) -> Id | None:
    """Lose the stream and reconnect as the TypeScript SDK does; return the id of the ping that comes first, if any."""
    await session.close()
    await session.connect(_COMES_AGAIN)
    stream = session.stream
    await stream.until(lambda: stream.messages or stream.named("endpoint"), "a ping or an endpoint event")
    return next((one.value.get("id") for one in stream.messages if one.value.get("method") == "ping"), None)


async def _come_again(client: Client, session: Session, *, response: bool) -> bool:
    """Lose the stream, reconnect and take the new endpoint; return whether the server sent a ping first."""
    ping = await _lose_stream(session)
    if ping is not None and response:
        expect_202(await session.post(_pong(ping)), "The response to a ping, at the old endpoint,")
    session.url = client.address(await session.stream.endpoint())
    return ping is not None


def _pong(ping: Id) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": ping, "result": {}}


@scenario(Level.PROMISE, "S3")
async def a_client_that_comes_again_can_go_on(client: Client) -> None:
    """Without `Last-Event-ID`, and without a second `initialize`, requests are served."""
    session = await open_session(client, None)
    method = list_method(await session.handshake(_REVISION))
    await _come_again(client, session, response=True)
    await _expect_served(session, method)


@scenario(Level.PROMISE, "S3 c")
async def a_client_that_answers_no_ping_can_go_on(client: Client) -> None:
    """A client that reconnects and does not respond to the server's ping still gets a usable session."""
    session = await open_session(client, None)
    method = list_method(await session.handshake(_REVISION))
    if not await _come_again(client, session, response=False):
        raise NotApplicableError("The server sends no ping.")
    await _expect_served(session, method)


@scenario(Level.PROMISE, "S3 c")
async def a_client_of_a_lost_session_can_go_on(client: Client) -> None:
    """A client of a session this server never had is served without `initialize`, and may initialize."""
    session = await open_session(client, None)
    method = list_method(await session.handshake(_REVISION))
    await session.close()
    await session.open(_COMES_AGAIN)
    await _expect_served(session, method)
    await session.handshake(_REVISION)
    await _expect_served(session, method)


async def _expect_served(session: Session, method: str) -> None:
    if "error" in await session.request(method):
        raise NotConformingError(f"{method} was answered with an error: the session is not usable.")
    if len(session.stream.named("endpoint")) != 1:
        raise NotConformingError("A reconnecting client got more than one endpoint event.")


@scenario(Level.PROMISE, "S3 b")
async def a_ping_finds_the_session(client: Client) -> None:
    """A client that responds to the ping gets its own session back."""
    session = await open_session(client, _REVISION)
    url = session.url
    if not await _come_again(client, session, response=True):
        raise NotConformingError(_NO_PING)
    if session.url != url:
        raise NotConformingError("The client responded to the ping, but got another session.")


@scenario(Level.PROMISE, "S3 b")
async def pings_tell_clients_apart(client: Client) -> None:
    """Identical clients that reconnect at the same time each get their own session."""
    sessions = [await open_session(client, _REVISION) for _ in range(3)]
    urls = [session.url for session in sessions]
    if not all(await asyncio.gather(*(_come_again(client, session, response=True) for session in sessions))):
        raise NotConformingError(_NO_PING)
    if urls != [session.url for session in sessions]:
        raise NotConformingError("Clients that reconnected at the same time did not get their own sessions.")


@scenario(Level.PROMISE, "S2, S3 b")
async def what_is_owed_comes_after_a_ping(client: Client) -> None:
    """A response that no stream could carry is sent to the client once it has responded to the ping."""
    session = await open_session(client, _REVISION)
    await session.close()
    request = session.next_request("ping")
    expect_202(await session.post(request), "A POST on a session without an open stream")
    if not await _come_again(client, session, response=True):
        raise NotConformingError(_NO_PING)
    await session.respond(request["id"], "a request sent while the client was away")


@scenario(Level.PROMISE, "S3 b")
async def another_clients_pong_finds_nothing(client: Client) -> None:
    """A response to another user's ping does not hand over a session."""
    other = await open_session(client, _REVISION, credentials=other_client(client))
    session = await open_session(client, _REVISION)
    ping = await _lose_stream(session)
    if ping is None:
        raise NotApplicableError("The server sends no ping.")
    await other.post(_pong(ping))
    if client.address(await session.stream.endpoint()) == other.url:
        raise NotConformingError("A client got the session of another person who answered its ping.")
