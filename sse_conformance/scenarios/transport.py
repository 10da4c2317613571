"""The transport chapter of 2024-11-05: two endpoints, the `endpoint` event, authentication.

Source: modelcontextprotocol.io/specification/2024-11-05/basic/transports
"""

import asyncio
import socket
from typing import Final

import httpx2

from sse_conformance.client import Client, NotConformingError
from sse_conformance.scenarios.expect import served
from sse_conformance.scenarios.origins import is_loopback
from sse_conformance.session import PINGS_TO_SETTLE, REVISION, initialize_params, open_session
from sse_conformance.verdict import Level, NotApplicableError, scenario

_WIRE: Final = "transports, HTTP with SSE"
_SECURITY: Final = "transports, Security Warning"


@scenario(Level.MUST, _WIRE)
async def sse_endpoint(client: Client) -> None:
    """A GET opens a stream of server-sent events."""
    reply = await client.get()
    if reply.status != 200:
        raise NotConformingError(f"A GET on the SSE endpoint was answered {reply.status}, not 200.")
    media = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "text/event-stream":
        raise NotConformingError(f"A GET was answered with {media or 'no content type'}, not text/event-stream.")


@scenario(Level.MUST, _WIRE)
async def endpoint_event(client: Client) -> None:
    """The first event has the URI to which messages are sent."""
    async with client.stream() as stream:
        first = (await stream.until(lambda: stream.parser.events, "an endpoint event"))[0]
        if first.name != "endpoint":
            raise NotConformingError(f"The first event was `{first.name}`, not `endpoint`.")
        if not first.data.strip() or "\n" in first.data:
            raise NotConformingError("The endpoint event has no URI.")
        client.address(first.data)


@scenario(Level.MUST, _WIRE)
async def post_endpoint(client: Client) -> None:
    """The URI of the `endpoint` event accepts messages by POST."""
    session = await open_session(client, None)
    await session.send(session.next_request("initialize", initialize_params(REVISION)))


@scenario(Level.MUST, _WIRE)
async def message_events(client: Client) -> None:
    """The server's messages are `message` events with JSON data."""
    session = await open_session(client, None)
    await session.send(session.next_request("initialize", initialize_params(REVISION)))
    events = session.stream.parser.events
    event = await session.stream.until(lambda: events[1:], "an event after the endpoint event")
    if event[0].name != "message":
        raise NotConformingError(f"The response to initialize came as a `{event[0].name}` event.")


@scenario(Level.MUST, _WIRE)
async def many_clients(client: Client) -> None:
    """Clients connected at the same time each get their own responses, and one that leaves disturbs no other."""
    one, other = [await open_session(client) for _ in range(2)]
    seen = len(other.stream.messages)
    await asyncio.gather(*(one.request("ping") for _ in range(5)))
    await other.settle()
    if len(other.stream.messages) - seen > PINGS_TO_SETTLE:
        raise NotConformingError("A client got messages that were another's.")
    await one.close()
    await other.settle()


@scenario(Level.SHOULD, _SECURITY)
async def authentication(client: Client) -> None:
    """No request is served without a credential, on either endpoint."""
    if served((await client.exchange("GET", client.target.url, credentials={})).status):
        raise NotConformingError("A GET without any credential was served.")
    session = await open_session(client)
    if served((await session.post(session.next_request("ping"), credentials={})).status):
        raise NotConformingError("A POST without any credential was served.")


@scenario(Level.SHOULD, _SECURITY)
async def local_server_is_local(client: Client) -> None:
    """A server on loopback cannot be reached at another address of this machine."""
    url = httpx2.URL(client.target.url)
    if not is_loopback(url.host):
        raise NotApplicableError("The URL of the server is not a loopback address.")
    address = own_address()
    if address is None:
        raise NotApplicableError("This machine has no address other than loopback.")
    try:
        async with asyncio.timeout(client.target.timeout_s):
            _, writer = await asyncio.open_connection(address, url.port or 80)
    except (OSError, TimeoutError):
        return
    writer.close()
    raise NotConformingError("Its port is open on an address of this machine that is not loopback.")


def own_address() -> str | None:
    """Return a non-loopback IPv4 address of this machine, or None. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address (RFC 5737): only the route is looked up
            address: str = probe.getsockname()[0]
        except OSError:
            return None
    return None if is_loopback(address) else address
