"""S4 to S9: what a stream carries besides messages, and what a client can observe of shutdown and limits."""

from typing import Final

from sse_conformance.client import Client, NotConformingError
from sse_conformance.session import open_session
from sse_conformance.verdict import Level, NotApplicableError, scenario

_RETRY_MS: Final = range(500, 3001)
_HEARTBEAT_S: Final = 20.0
_STREAMS: Final = 3


@scenario(Level.PROMISE, "S4")
async def one_endpoint_event(client: Client) -> None:
    """A GET returns exactly one `endpoint` event: a second one ends the Python client."""
    session = await open_session(client)
    await session.settle()
    if (count := len(session.stream.named("endpoint"))) != 1:
        raise NotConformingError(f"{count} endpoint events came on one stream.")


@scenario(Level.PROMISE, "S5")
async def retry_is_half_a_second_to_three(client: Client) -> None:
    """Each stream has a reconnection time, and they differ, so that clients do not reconnect all at once."""
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
        raise NotConformingError(f"Every retry field says {waits[0]} ms: clients would reconnect all at once.")


@scenario(Level.PROMISE, "S5", slow=True)
async def a_comment_within_20_s(client: Client) -> None:
    """A silent stream sends a comment, so that no intermediary takes it for dead."""
    session = await open_session(client)
    seen = session.stream.parser.comments
    await session.stream.until(lambda: session.stream.parser.comments > seen, "a comment", within_s=_HEARTBEAT_S)


@scenario(Level.PROMISE, "S2")
async def events_have_ids(client: Client) -> None:
    """Every message is an event with a unique id, so that a client can resume after it."""
    session = await open_session(client)
    await session.settle()
    ids = [one.event.id for one in session.stream.messages]
    if not all(ids):
        raise NotConformingError("A message came as an event without an id.")
    if len(set(ids)) < len(ids):
        raise NotConformingError("Two events have the same id.")


@scenario(Level.PROMISE, "S9")
async def a_new_stream_replaces_the_old(client: Client) -> None:
    """When a session is resumed on a new stream, the old one ends and responses come on the new one."""
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
    """A server that receives SIGTERM completes the requests in flight."""
    raise NotApplicableError("A client cannot send the server a signal.")


@scenario(Level.PROMISE, "S7")
async def several_instances(_: Client) -> None:
    """A message may reach any instance."""
    raise NotApplicableError("A client cannot choose the instance, nor end one.")


@scenario(Level.PROMISE, "S8")
async def loss_of_the_broker(_: Client) -> None:
    """Streams outlive the broker."""
    raise NotApplicableError("A client cannot stop the broker.")
