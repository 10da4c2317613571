"""Connections over HTTP/1.1 that no stranger can make expensive: uvicorn's protocol, bounded before authentication.

Bytes: a head, or the trailers of a body, up to `MAX_HEAD_BYTES`; else 431. Time: a head has `HEAD_S` seconds, counted
from the moment the connection opens, from the first byte of a later request, or from the end of the response before it.
Requests: at most `MAX_UNANSWERED` of a connection are in flight. A body has the time and size that the application
gives it; what is left of one whose response is complete has `HEAD_S`.

Connections themselves: see `Connections`. What is not HTTP at all is answered by uvicorn with 400.
Source: RFC 9112 (pipelining, 9.3.2; closing, 9.6), RFC 6585 (431).
"""

import ipaddress
import json
import time
from asyncio import Transport
from collections import Counter
from functools import partial
from itertools import chain
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from shared.http.address import network_of, parsed

MAX_HEAD_BYTES: Final = 65_536
MAX_HELD_BYTES: Final = 16 * 1024 * 1024
"""What the unfinished heads of all connections may have together; beyond it the oldest of them makes room."""
HEAD_S: Final = 10.0
MAX_UNANSWERED: Final = 2
UNFINISHED_SHARE: Final = 4
"""One in four connections may be without a complete head."""
ADDRESS_SHARE: Final = 4
"""One in four connections may be of one address."""
HEALTH_SHARE: Final = 16
"""One in sixteen connections is kept free for `HEALTH_PATHS`, which platforms probe on new connections."""
HEALTH_PATHS: Final = frozenset({"/health", "/health/"})


class Connections(ServerState):
    """The connections of one server, and which of them makes room when there are too many.

    Room is made by the connection that has owed a head for the longest time, then by the one that has been idle for the
    longest time. One with a request in flight is never closed for another: a new connection for which there is no room
    is only served `/health`, for which some places are kept, and makes room itself.

    Args:
        most: how many there may be.
        counts_addresses: whether one address may have only a part of them; loopback addresses always have all.
    """

    connections: "set[BoundedProtocol]"  # type: ignore[assignment]  # no other protocol is made

    def __init__(self, *, most: int, counts_addresses: bool) -> None:
        super().__init__()
        self._most = most
        self._places = most - most // HEALTH_SHARE
        self._counts_addresses = counts_addresses
        self._of_network: Counter[str] = Counter()
        self._unfinished: dict[BoundedProtocol, float] = {}  # since when; the oldest first
        self._idle: dict[BoundedProtocol, None] = {}  # the oldest first
        self._held = 0

    def add(self, new: "BoundedProtocol") -> None:
        """Take a new connection, which owes a head; cut it or another one where there are too many."""
        self.mark_unfinished(new)
        self._of_network[new.network] += 1
        if self._counts_addresses and new.network and self._of_network[new.network] > self._most // ADDRESS_SHARE:
            new.cut()
            return
        if len(self._unfinished) > self._most // UNFINISHED_SHARE:
            next(iter(self._unfinished)).cut()
        if len(self.connections) > self._places:
            self._make_room(new)

    def _make_room(self, new: "BoundedProtocol") -> None:
        oldest = next((one for one in chain(self._unfinished, self._idle) if one is not new), None)
        if oldest is not None:
            oldest.cut()
        if len(self.connections) > self._places:
            new.serve_health_only()

    def remove(self, one: "BoundedProtocol") -> None:
        """Forget a connection that has ended."""
        self.mark_active(one)
        self.hold(one, 0)
        self._of_network[one.network] -= 1
        if not self._of_network[one.network]:
            del self._of_network[one.network]

    def mark_unfinished(self, one: "BoundedProtocol") -> None:
        """Note that its client has to finish a request, from now on."""
        self._idle.pop(one, None)
        self._unfinished.setdefault(one, time.monotonic())

    def mark_idle(self, one: "BoundedProtocol") -> None:
        """Note that neither side owes the other anything."""
        self._unfinished.pop(one, None)
        self._idle[one] = None

    def mark_active(self, one: "BoundedProtocol") -> None:
        """Note that it has a request in flight, or has ended."""
        self._unfinished.pop(one, None)
        self._idle.pop(one, None)

    def is_idle(self, one: "BoundedProtocol") -> bool:
        """Whether neither side owes the other anything."""
        return one in self._idle

    def hold(self, one: "BoundedProtocol", size: int) -> None:
        """Note how many bytes of an unfinished head it holds."""
        self._held += size - one.held
        one.held = size
        while self._held > MAX_HELD_BYTES:
            next(iter(self._unfinished), one).cut()

    def close_late(self) -> None:
        """Close every connection whose client has owed a head for longer than `HEAD_S` seconds."""
        latest = time.monotonic() - HEAD_S
        while self._unfinished:
            oldest, since = next(iter(self._unfinished.items()))
            if since > latest:
                break
            self.mark_active(oldest)  # it gets no other chance
            oldest.refuse(408, "head_too_slow", f"A request's head must arrive within {HEAD_S:g} s.")


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a server whose state is `Connections`."""

    server_state: Connections

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.held = 0
        """Bytes that were fed to the parser since it last had something to show for them."""
        self.network = ""
        """What one client has to itself: an IPv4 address or a /64 of IPv6; empty on loopback."""
        self._unanswered = 0
        self._is_receiving = False
        self._has_progressed = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Count the connection."""
        super().connection_made(transport)
        self.network = counted_as(self.client[0]) if self.client is not None else ""
        self.server_state.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.server_state.remove(self)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn keeps the timer, and with it everything, when a client resets

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, no more at once than a head may still have: one read may bring 256 kB.

        Only what the parser has nothing to show for counts, so a short head before a large body does not.
        """
        if self.server_state.is_idle(self):
            self.server_state.mark_unfinished(self)
        while data and not self.transport.is_closing():
            room = MAX_HEAD_BYTES - self.held
            piece, data = data[:room], data[room:]
            self._has_progressed = False
            super().data_received(piece)
            self.server_state.hold(self, 0 if self._has_progressed else self.held + len(piece))
            if self.held >= MAX_HEAD_BYTES:
                self.refuse(431, "head_too_large", f"The head of a request may have {MAX_HEAD_BYTES:,} bytes at most.")

    def on_message_begin(self) -> None:
        """Begin a request, unless too many before it are without a complete response.

        A handler that goes on after its response is complete does not count.
        """
        if self._unanswered >= MAX_UNANSWERED:
            self.cut()
            raise ConnectionAbortedError  # the parser must not go on: one read may bring thousands of requests
        self._is_receiving = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the handler, or have it wait for the request before it.

        uvicorn reads nothing while one waits; then a third request, or the client's leaving, would not be seen.
        """
        self._has_progressed = True
        self._unanswered += 1
        self.server_state.mark_active(self)
        super().on_headers_complete()
        self.flow.resume_reading()

    def on_body(self, body: bytes) -> None:
        """Hand a part of the body to the handler."""
        self._has_progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Tell the handler that the body is complete."""
        self._has_progressed = True
        self._is_receiving = False
        super().on_message_complete()
        self._settle()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        self._unanswered -= 1
        super().on_response_complete()
        self._settle()

    def _settle(self) -> None:
        if self._unanswered or self.transport.is_closing():
            return
        if self._is_receiving:
            self.server_state.mark_unfinished(self)
        else:
            self.server_state.mark_idle(self)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, unless the connection was cut for another reason."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def refuse(self, status: int, kind: str, sentence: str) -> None:
        """Close the connection, and say why where a request was begun and no response is under way."""
        if self._unanswered or not self.held:
            self.cut()
            return
        body = json.dumps({"kind": kind, "error": sentence}).encode()
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + body)
        self.transport.close()

    def cut(self) -> None:
        """Close the connection at once, whatever it still had to send."""
        self.server_state.mark_active(self)
        self.server_state.hold(self, 0)
        self.server_state.connections.discard(self)  # now, not in the next turn of the loop: others come in this one
        self.transport.abort()

    def serve_health_only(self) -> None:
        """Answer anything but `HEALTH_PATHS` with 503."""
        self.app = partial(_health_only, self.app)


async def _health_only(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] in HEALTH_PATHS:
        await app(scope, receive, send)
        return
    said = {"kind": "too_many_connections", "error": "There are too many connections. Nothing was done; try again."}
    body = json.dumps(said).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"retry-after", b"5"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def counted_as(address: str) -> str:
    """Return what the client at `address` has to itself; nothing for loopback, and for what is no IP address."""
    known = parsed(address)
    return "" if known is None or ipaddress.ip_address(known).is_loopback else network_of(known)
