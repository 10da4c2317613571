"""One HTTP/1.1 connection to a ticket API, which carries one exchange at a time (RFC 9112)."""

import asyncio
import socket
from typing import Final, cast

from httptools import HttpParserError, HttpResponseParser

from shared.upstream.transport import BodyReader, LostError, Received

_MAX_HEAD_BYTES: Final = 100 * 1024


class Connection(asyncio.Protocol):
    """An open connection.

    Args:
        opened: its socket, which the event loop reads and writes; here it is only looked at.
    """

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._incoming: _Incoming | None = None
        self._transport: asyncio.Transport

    @property
    def may_be_used(self) -> bool:
        """Whether another exchange may begin: the server neither closed the connection nor sent what nobody asked."""
        if self._transport.is_closing():
            return False
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True  # nothing came that the event loop has not read yet, not even the end
        except OSError:
            pass
        return False

    async def exchange(self, request: bytes) -> Received:
        """Send `request` and return its response. Raises: LostError."""
        self._incoming = incoming = _Incoming()
        self._transport.write(request)
        is_reusable = False
        try:
            received = await incoming.received
            is_reusable = incoming.may_follow and not self._transport.get_write_buffer_size()
            return received
        finally:
            self._incoming = None
            if not is_reusable:
                self.close()

    def close(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Read on; data that no exchange waits for ends the connection."""
        if self._incoming is None:
            self.close()
        else:
            self._incoming.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange, if there is one."""
        if self._incoming is not None:
            self._incoming.end(exc)


class _Incoming:
    """The response that is being received; its `on_…` methods are called by the parser."""

    def __init__(self) -> None:
        self.received: asyncio.Future[Received] = asyncio.get_running_loop().create_future()
        self.may_follow = False
        """Whether the connection stays open after this response."""
        self._parser = HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._body: BodyReader | None = None

    def feed(self, data: bytes) -> None:
        """Read on."""
        if self._body is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._lose(error)
        if self._body is None and self._head_bytes > _MAX_HEAD_BYTES:
            self._lose(ValueError("the head of the response is too long"))

    def end(self, cause: Exception | None) -> None:
        """Take the end of the connection for that of the response, if nothing else ends it."""
        chunked = self._headers.get("transfer-encoding", "").endswith("chunked")
        if cause is None and self._body is not None and not chunked and "content-length" not in self._headers:
            self._finish(self._body)
        else:
            self._lose(cause or EOFError("the connection was closed"))

    def on_message_begin(self) -> None:
        """Note when another response follows that nobody asked for."""
        if self.received.done():
            self.may_follow = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        key, text = name.decode("latin-1").lower(), _text(value)
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """Begin the body, unless the response is an interim one, such as 103."""
        if self._is_interim():
            self._headers.clear()
        elif not self.received.done():
            self.may_follow = self._parser.should_keep_alive()
            self._body = BodyReader(self._headers.get("content-encoding", ""))

    def on_body(self, data: bytes) -> None:
        """Add to the body; one that cannot be used is not read on."""
        if self._body is not None:
            self._body.feed(data)
            if self._body.cut_off is not None:
                self.may_follow = False
                self._finish(self._body)

    def on_message_complete(self) -> None:
        """Finish the response, unless it is an interim one."""
        if self._body is not None and not self._is_interim():
            self._finish(self._body)

    def _is_interim(self) -> bool:
        return 100 <= self._parser.get_status_code() < 200

    def _finish(self, body: BodyReader) -> None:
        if not self.received.done():
            whole = body.whole()
            self.received.set_result(Received(self._parser.get_status_code(), self._headers, whole, body.cut_off))

    def _lose(self, cause: Exception) -> None:
        self.may_follow = False
        if not self.received.done():
            lost = LostError(type(cause).__name__)
            lost.__cause__ = cause
            self.received.set_exception(lost)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
