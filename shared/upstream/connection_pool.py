"""Direct connections to one ticket API: opened when needed, kept for a few seconds, the latest used first.

How many there are is limited by the queue of the API client, which gives each request a slot.
"""

import asyncio
import socket
import ssl
import time
from asyncio.staggered import staggered_race
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from shared.upstream.connection import Connection
from shared.upstream.transport import NotSentError, Received, Request

MAX_IDLE: Final = 32
IDLE_S: Final = 3.0
"""Node closes an idle connection after 5 s; the client must close it first."""
_NEXT_ADDRESS_S: Final = 0.25
"""How long an address may take to connect before the next one is tried beside it (RFC 8305, section 8)."""


class ConnectionPool:
    """The connections to one address.

    Args:
        host: name or IP address, in ASCII.
        port: its port.
        authority: what `Host` says: the host, with the port unless it is that of the scheme.
        tls: verifies the server; None for plain HTTP.
        headers: those of every request.
    """

    def __init__(
        self, host: str, port: int, *, authority: str, tls: ssl.SSLContext | None, headers: Mapping[str, str]
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._head = _lines({"host": authority, **headers})
        self._idle: list[tuple[float, Connection]] = []
        """Since when each connection is idle, the latest last."""
        self._is_closed = False

    async def exchange(self, request: Request) -> Received:
        """Do as `ApiTransport` promises."""
        head = f"{request.method} {request.path} HTTP/1.1\r\n{self._head}{_lines(request.headers)}"
        body = request.body
        if body is not None:
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        connection = self._kept() or await self._opened()
        received = await connection.exchange(f"{head}\r\n".encode("ascii") + (body or b""))
        self._keep(connection)
        return received

    async def aclose(self) -> None:
        """Close the idle connections; the others close with their exchange."""
        self._is_closed = True
        while self._idle:
            self._idle.pop()[1].close()
        await asyncio.sleep(0)  # the event loop closes their sockets in its next turn

    def _kept(self) -> Connection | None:
        """Return an idle connection that is still usable; close those that are not."""
        while self._idle:
            since, connection = self._idle.pop()
            if time.monotonic() - since < IDLE_S and connection.may_be_used:
                return connection
            connection.close()
        return None

    def _keep(self, connection: Connection) -> None:
        if connection.may_be_used and len(self._idle) < MAX_IDLE and not self._is_closed:
            self._idle.append((time.monotonic(), connection))
        else:
            connection.close()

    async def _opened(self) -> Connection:
        """Return a new connection. Raises: NotSentError."""
        try:
            opened = await _socket_to(self._host, self._port)
            _, connection = await asyncio.get_running_loop().create_connection(
                partial(Connection, opened),
                sock=opened,
                ssl=self._tls,
                server_hostname=self._host if self._tls is not None else None,
            )
        except OSError as error:
            raise NotSentError(type(error).__name__) from error
        return connection


def _lines(headers: Mapping[str, str]) -> str:
    """Return the lines of headers. Raises: ValueError: a value would end its line."""
    if not "".join(headers.values()).isprintable():
        raise ValueError("a header has a control character")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


async def _socket_to(host: str, port: int) -> socket.socket:
    """Return a socket connected to the first address of `host` that answers; uvloop would try one after the other.

    Raises:
        OSError: there is no such host, or none of its addresses answers.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    connected: socket.socket | None
    tried: list[socket.socket] = []
    try:
        connected, _, errors = await staggered_race(
            [partial(_connected, tried, *one) for one in found], _NEXT_ADDRESS_S
        )
    except BaseException:
        for one in tried:
            one.close()  # one may have been connected just as the caller was cancelled
        raise
    if connected is None:
        raise next(error for error in errors if error is not None)
    return connected


async def _connected(
    tried: list[socket.socket], family: int, kind: int, protocol: int, _: str, address: Any
) -> socket.socket:
    opened = socket.socket(family, kind, protocol)
    tried.append(opened)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(opened, address)
    except BaseException:
        opened.close()
        raise
    return opened
