"""Bounds HTTP/1.1 connections before authentication, on top of uvicorn's protocol.

Bytes: a request head, or a body's trailers, has at most `MAX_HEAD_BYTES`; else 431. Time: a head has `HEAD_S` seconds,
from the opening of the connection, from the first byte of a later request, or from the end of the previous response.
Requests: at most `MAX_UNANSWERED` per connection are in flight. The application limits the time and size of a body;
the rest of a body after a complete response has `HEAD_S`.

For the number of connections see `Connections`. uvicorn responds to anything that is not HTTP with 400.
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
from shared.http.cycle import BoundedCycle

MAX_HEAD_BYTES: Final = 65_536
MAX_HELD_BYTES: Final = 16 * 1024 * 1024
"""Maximum bytes of all incomplete heads together; beyond it the oldest one's connection is closed."""
HEAD_S: Final = 10.0
MAX_UNANSWERED: Final = 2
UNFINISHED_SHARE: Final = 4
"""At most one in four connections may have an incomplete head."""
ADDRESS_SHARE: Final = 4
"""At most one in four connections may come from one address."""
HEALTH_SHARE: Final = 16
"""One in sixteen connections is reserved for `HEALTH_PATHS`, which platforms probe on new connections."""
HEALTH_PATHS: Final = frozenset({"/health", "/health/"})


class Connections(ServerState):
    """The connections of one server, and the choice of the one to close if there are too many.

    The connection with the oldest incomplete head is closed first, then the one that has been idle longest. One with a
    request in flight is never closed for another: a new connection beyond the limit is served only `/health`, for which
    some slots are reserved, and can itself be closed for another.

    Args:
        most: the maximum number of connections.
        counts_addresses: whether one address may have only a share of them; loopback addresses have no such limit.
    """

    connections: "set[BoundedProtocol]"  # type: ignore[assignment]  # no other protocol is used

    def __init__(self, *, most: int, counts_addresses: bool) -> None:
        super().__init__()
        self._most = most
        self._places = most - most // HEALTH_SHARE
        self._counts_addresses = counts_addresses
        self._of_network: Counter[str] = Counter()
        self._unfinished: dict[BoundedProtocol, float] = {}  # start times; the oldest first
        self._idle: dict[BoundedProtocol, float] = {}  # likewise
        self._held = 0

    def add(self, new: "BoundedProtocol") -> None:
        """Add a new connection, which awaits a head; abort it or another one if there are too many."""
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
        """Remove a closed connection."""
        self.mark_active(one)
        self.hold(one, 0)
        self._of_network[one.network] -= 1
        if not self._of_network[one.network]:
            del self._of_network[one.network]

    def mark_unfinished(self, one: "BoundedProtocol") -> None:
        """Mark it as awaiting the rest of a request, from now on."""
        self._idle.pop(one, None)
        self._unfinished.setdefault(one, time.monotonic())

    def mark_idle(self, one: "BoundedProtocol") -> None:
        """Mark it as idle: no request and no response is pending."""
        self._unfinished.pop(one, None)
        self._idle[one] = time.monotonic()

    def mark_active(self, one: "BoundedProtocol") -> None:
        """Mark it as having a request in flight, or as closed."""
        self._unfinished.pop(one, None)
        self._idle.pop(one, None)

    def is_idle(self, one: "BoundedProtocol") -> bool:
        """Whether it is idle: no request and no response is pending."""
        return one in self._idle

    def hold(self, one: "BoundedProtocol", size: int) -> None:
        """Set the number of bytes it holds of an incomplete head."""
        self._held += size - one.held
        one.held = size
        while self._held > MAX_HELD_BYTES:
            next(iter(self._unfinished), one).cut()

    def close_late(self) -> None:
        """Close every connection that has awaited a head for more than `HEAD_S` seconds, or has been idle too long."""
        now = time.monotonic()
        while self._idle:
            oldest, since = next(iter(self._idle.items()))
            if since > now - oldest.timeout_keep_alive:
                break
            self.mark_active(oldest)
            oldest.transport.close()
        while self._unfinished:
            oldest, since = next(iter(self._unfinished.items()))
            if since > now - HEAD_S:
                break
            self.mark_active(oldest)  # so that it is refused only once
            oldest.refuse(408, "head_too_slow", f"A request's head must arrive within {HEAD_S:g} s.")


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a server with `Connections` as its state."""

    server_state: Connections

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.held = 0
        """Bytes fed to the parser since it last produced an event."""
        self.network = ""
        """The client's network: an IPv4 address or an IPv6 /64; empty on loopback."""
        self._unanswered = 0
        self._is_receiving = False
        self._has_progressed = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Add the connection to the server's."""
        super().connection_made(transport)
        self.network = counted_as(self.client[0]) if self.client is not None else ""
        self.server_state.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from the server's."""
        self.server_state.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse received data in pieces no larger than the remaining bytes of a head; one read may bring 256 kB.

        Only bytes without a parser event count, so a short head before a large body does not reach the limit.
        """
        while data and not self.transport.is_closing():
            room = MAX_HEAD_BYTES - self.held
            piece, data = data[:room], data[room:]
            self._has_progressed = False
            super().data_received(piece)
            if not self._has_progressed:
                self._hold_head(len(piece))
            elif self.held:
                self.server_state.hold(self, 0)

    def _hold_head(self, size: int) -> None:
        """Count `size` more bytes of an incomplete head; refuse it if it is too large."""
        if self.server_state.is_idle(self):
            self.server_state.mark_unfinished(self)
        self.server_state.hold(self, self.held + size)
        if self.held >= MAX_HEAD_BYTES:
            self.refuse(431, "head_too_large", f"The head of a request may have at most {MAX_HEAD_BYTES:,} bytes.")

    def on_message_begin(self) -> None:
        """Begin a request, unless too many earlier ones are without a complete response.

        A handler that continues after its complete response does not count.
        """
        if self._unanswered >= MAX_UNANSWERED:
            self.cut()
            raise ConnectionAbortedError  # stops the parser: one read may bring thousands of requests
        self._is_receiving = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the handler, or queue it behind the previous request's.

        uvicorn stops reading while one is queued; a third request, or a disconnect, would then go unnoticed.
        """
        self._has_progressed = True
        self._unanswered += 1
        self.server_state.mark_active(self)
        super().on_headers_complete()
        if self.scope["method"] != "HEAD":  # a head alone
            BoundedCycle.take_over(self.cycle, self.transport)  # its task has not begun yet
        if self.flow.read_paused:
            self.flow.resume_reading()

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body to the handler."""
        self._has_progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Signal to the handler that the body is complete."""
        self._has_progressed = True
        self._is_receiving = False
        super().on_message_complete()
        if not self._unanswered:
            self._settle()

    def on_response_complete(self) -> None:
        """Continue with the next request; uvicorn would also set a timer, which `Connections.close_late` is for all."""
        self._unanswered -= 1
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        if not self._unanswered:
            self._settle()

    def _settle(self) -> None:
        """Wait for the next request, or for the rest of this one: all begun ones have a complete response."""
        if self.transport.is_closing():
            return
        if self._is_receiving:
            self.server_state.mark_unfinished(self)
        else:
            self.server_state.mark_idle(self)

    def send_400_response(self, msg: str) -> None:
        """Respond to data that is not HTTP, unless the connection is already closing."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def refuse(self, status: int, kind: str, sentence: str) -> None:
        """Close the connection; send the reason if a request has begun and no response is in progress."""
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
        """Abort the connection at once, discarding unsent data."""
        self.server_state.mark_active(self)
        self.server_state.hold(self, 0)
        self.server_state.connections.discard(self)  # now, as more may arrive in this loop turn
        self.transport.abort()

    def serve_health_only(self) -> None:
        """Respond to anything but `HEALTH_PATHS` with 503."""
        self.app = partial(_health_only, self.app)


async def _health_only(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] in HEALTH_PATHS:
        await app(scope, receive, send)
        return
    said = {"kind": "too_many_connections", "error": "There are too many connections. Nothing was changed; try again."}
    body = json.dumps(said).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"retry-after", b"5"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def counted_as(address: str) -> str:
    """Return the client's network at `address`; empty for loopback and for anything that is not an IP address."""
    known = parsed(address)
    return "" if known is None or ipaddress.ip_address(known).is_loopback else network_of(known)
