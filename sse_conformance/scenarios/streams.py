"""S4 to S9: what comes down a stream besides messages, and what of a server's end and its caps can be seen at all."""

from typing import Final

from sse_conformance.client import Client, NotConformingError
from sse_conformance.session import open_session
from sse_conformance.verdict import Level, NotApplicableError, scenario

_RETRY_MS: Final = range(500, 3001)
_HEARTBEAT_S: Final = 20.0
_STREAMS: Final = 3


@scenario(Level.PROMISE, "S4")
async def one_endpoint_event(client: Client) -> None:
    """A GET brings exactly one `endpoint` event: a second one ends the Python client."""
    session = await open_session(client)
    await session.settle()
    if (count := len(session.stream.named("endpoint"))) != 1:
        raise NotConformingError(f"{count} endpoint events came down one stream.")


@scenario(Level.PROMISE, "S5")
async def retry_is_half_a_second_to_three(client: Client) -> None:
    """Each stream says how long to wait before coming again, and not all the same, so clients come spread out."""
    waits = []
    for _ in range(_STREAMS):
        session = await open_session(client)
        waits += session.stream.parser.retries_ms[:1]
        await session.close()
    if len(waits) < _STREAMS:
        raise NotConformingError("A stream has no retry field.")
    if wrong := [wait for wait in waits if wait not in _RETRY_MS]:
        raise NotConformingError(f"A retry field says {wrong[0]} ms, which is not 500 to 3000.")
    if len(set(waits)) == 1:
        raise NotConformingError(f"Every retry field says {waits[0]} ms: clients would come again all at once.")


@scenario(Level.PROMISE, "S5", slow=True)
async def a_comment_within_20_s(client: Client) -> None:
    """A silent stream brings a comment, so that nothing in between takes it for dead."""
    session = await open_session(client)
    seen = session.stream.parser.comments
    await session.stream.until(lambda: session.stream.parser.comments > seen, "a comment", within_s=_HEARTBEAT_S)


@scenario(Level.PROMISE, "S2")
async def events_have_ids(client: Client) -> None:
    """Every message is an event with an id of its own, so a client can say where it stands."""
    session = await open_session(client)
    await session.settle()
    ids = [one.event.id for one in session.stream.messages]
    if not all(ids):
        raise NotConformingError("A message came as an event without an id.")
    if len(set(ids)) < len(ids):
        raise NotConformingError("Two events have the same id.")


@scenario(Level.PROMISE, "S9")
async def a_new_stream_replaces_the_old(client: Client) -> None:
    """Once a session is taken up on a new stream, the old one ends, and answers come down the new one."""
    session = await open_session(client)
    await session.settle()
    old, url, last = session.stream, session.url, session.stream.messages[-1].event.id
    await session.open({"last-event-id": last})
    if session.url != url:
        raise NotConformingError("A GET with Last-Event-ID got another session.")
    await old.end()
    await session.settle()


@scenario(Level.PROMISE, "S6")
async def sigterm(_: Client) -> None:
    """A server that is told to end answers what runs."""
    raise NotApplicableError("A client cannot send the server a signal.")


@scenario(Level.PROMISE, "S7")
async def several_instances(_: Client) -> None:
    """A message may reach any instance."""
    raise NotApplicableError("A client cannot choose the instance, nor end one.")


@scenario(Level.PROMISE, "S8")
async def loss_of_the_broker(_: Client) -> None:
    """Streams outlive the broker."""
    raise NotApplicableError("A client cannot stop the broker.")
