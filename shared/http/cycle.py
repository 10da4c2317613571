"""One request and its response, as uvicorn keeps them, with shorter ways to what is there at once.

By ASGI a short body is received, and a short response sent, in several steps, each of which may have to wait. Here each
is one call of a function, which returns that it cannot be done at once; the steps of ASGI then do it.
"""

from asyncio import Transport

from starlette.types import Receive, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


class BoundedCycle(RequestResponseCycle):
    """A request and its response."""

    transport: "ResponseWrites"  # type: ignore[assignment]  # all of a transport that uvicorn uses here

    @classmethod
    def take_over(cls, cycle: RequestResponseCycle, transport: Transport) -> None:
        """Make `cycle`, which has not begun yet, an instance of this class: uvicorn has no setting for its class."""
        cycle.__class__ = cls
        cycle.transport = ResponseWrites(transport)  # type: ignore[assignment]  # as above

    def whole_body(self) -> bytes | None:
        """Return the body if all of it has arrived and nothing of it was received; None otherwise."""
        if self.more_body or self.disconnected or self.response_complete or self.waiting_for_100_continue:
            return None
        body = bytes(self.body)
        self.body.clear()
        self.message_event.clear()
        self.flow.resume_reading()
        return body

    def send_whole(self, status: int, lines: bytes, body: bytes) -> bool:
        """Send a whole response, unless the client does not read now or the connection is to be closed.

        Args:
            status: its code.
            lines: its headers but for the length, as they are written; the caller has checked them.
            body: its body.
        """
        if self.response_started or self.disconnected or self.flow.write_paused or not self.keep_alive:
            return False
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        always = b"".join([b"%b: %b\r\n" % header for header in self.default_headers])
        head = b"%b%b%bcontent-length: %d\r\n\r\n" % (STATUS_LINE[status], always, lines, len(body))
        self.transport.write_now(head + body)
        self.message_event.set()
        self.on_response()
        return True

    def send_part(self, body: bytes) -> bool:
        """Send a part, not empty, of a body without a length, unless the client does not read now."""
        if not self.chunked_encoding or self.response_complete or self.disconnected or self.flow.write_paused:
            return False
        self.transport.write_now(b"%x\r\n%b\r\n" % (len(body), body))
        return True


def cycle_of(channel: Receive | Send) -> BoundedCycle | None:
    """Return the cycle whose own `receive` or `send` this is: on another server, or behind a middleware, none."""
    cycle = getattr(channel, "__self__", None)
    return cycle if isinstance(cycle, BoundedCycle) else None


class ResponseWrites:
    """The transport of one response: a head with a length waits for the body, so that both are one write.

    uvicorn writes them apart, and a write to a socket takes longer than all else it does for a short response.
    """

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None
        """The head that waits; empty once it is written."""

    def write_now(self, data: bytes) -> None:
        """Write `data`; no head waits."""
        self._transport.write(data)

    def write(self, data: bytes) -> None:
        """Write `data`, after the head that waits; a head with a length waits."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        elif self._head is None and data.startswith(b"HTTP/") and b"\r\ncontent-length: " in data:
            self._head = data
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Close; the head of a response that was given up goes first."""
        if self._head:
            self.write(b"")
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._transport.is_closing()
