"""Clients that cost very little: a socket for the stream of each session, and a few sockets for all messages.

For tests with a thousand sessions whose clients share the machine with the server, and for readers that stop reading:
a stream is read only when a test asks for it. `sse_client` parses events.
"""

import asyncio
import json
import re
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from tests.transport.sse_client import initialize_params

AT_ONCE: Final = 20
"""Most messages in flight at the same time."""
LIMIT_S: Final = 30.0
_UNREAD_BYTES: Final = 1024
"""Twice as many may wait in this process; the rest stays in the buffers of the system."""
_OPENED: Final = rb"HTTP/1\.1 [345]\d\d|data: (/messages\S+)\r?\n\r?\n"
_INITIALIZED: Final = rb'"id":0[^\n]*\n\r?\n'

_FILES: Final = 4096
"""Fewest files a process may open: often only 1,024, on macOS 256. Servers started later inherit the limit."""

if sys.platform != "win32":
    import resource

    _soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    _most = _FILES if _hard == resource.RLIM_INFINITY else min(_FILES, _hard)
    if _soft != resource.RLIM_INFINITY and _soft < _most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_most, _hard))


class Server:
    """Address of a server, headers of the caller, and the connections for messages. `light_server` opens them."""

    def __init__(self, address: str, headers: Mapping[str, str]) -> None:
        url = urlsplit(address)
        self.where = (url.hostname, url.port)
        self.head = f"Host: {url.netloc}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self.open = set[LightSession]()
        """Sessions that were opened and not dropped."""

    async def post(self, endpoint: str, message: Any) -> None:
        """Send one message, which must be accepted."""
        body = json.dumps(message)
        about = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        reader, writer = connection = await self.free.get()
        writer.write(f"POST {endpoint} HTTP/1.1\r\n{self.head}{about}\r\n{body}".encode())
        async with asyncio.timeout(LIMIT_S):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 202"), head
            await reader.readexactly(len("Accepted"))
        self.free.put_nowait(connection)

    async def ask(self, path: str) -> Any:
        """Return the JSON of a route, over a connection used only for it."""
        reader, writer = await asyncio.open_connection(*self.where)
        writer.write(f"GET {path} HTTP/1.1\r\n{self.head}Connection: close\r\n\r\n".encode())
        async with asyncio.timeout(LIMIT_S):
            response = await reader.read()
        writer.close()
        await writer.wait_closed()
        return json.loads(response.partition(b"\r\n\r\n")[2])


@asynccontextmanager
async def light_server(address: str, headers: Mapping[str, str]) -> AsyncGenerator[Server]:
    """Connect to a server; drop the sessions that are still open at the end."""
    server = Server(address, headers)
    connections = [await asyncio.open_connection(*server.where) for _ in range(AT_ONCE)]
    for connection in connections:
        server.free.put_nowait(connection)
    try:
        yield server
    finally:
        await drop_all(list(server.open))
        for _, writer in connections:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for _, writer in connections), return_exceptions=True)


class LightSession:
    """One session; call `open` first.

    Args:
        server: where it is.
        receive_bytes: receive buffer of its stream in the system; by default the system's choice.
        messages_to: another instance, which gets its messages.
    """

    def __init__(self, server: Server, *, receive_bytes: int | None = None, messages_to: Server | None = None) -> None:
        self.endpoint = ""
        self._server = server
        self._messages_to = messages_to if messages_to is not None else server
        self._receive_bytes = receive_bytes

    async def open(self) -> None:
        """Open its stream and do the handshake. Afterwards only `read_until` reads."""
        connection = socket.socket()
        connection.setblocking(False)
        if self._receive_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_bytes)
        await asyncio.get_running_loop().sock_connect(connection, self._server.where)
        self._reader, self._writer = await asyncio.open_connection(sock=connection, limit=_UNREAD_BYTES)
        self._server.open.add(self)
        self._writer.write(f"GET /sse HTTP/1.1\r\n{self._server.head}\r\n".encode())
        opened = await self.read_until(_OPENED)
        assert opened[1] is not None, f"the stream was refused: {opened[0]!r}"
        self.endpoint = opened[1].decode()
        await self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize_params()})
        await self.read_until(_INITIALIZED)
        await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    @property
    def id(self) -> str:
        """The session's id."""
        return self.endpoint.partition("=")[2]

    async def post(self, message: Any) -> None:
        """Send one message."""
        await self._messages_to.post(self.endpoint, message)

    async def read_until(self, pattern: bytes) -> re.Match[bytes]:
        """Read until the pattern has arrived, possibly across several reads."""
        seen = b""
        async with asyncio.timeout(LIMIT_S):
            while (found := re.search(pattern, seen)) is None:
                more = await self._reader.read(_UNREAD_BYTES)
                assert more, f"the stream ended after {seen!r}"
                seen += more
        return found

    async def drop(self) -> None:
        """Close the sockets without ending the session, like a client that crashes."""
        self._server.open.discard(self)
        self._writer.transport.abort()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


async def open_sessions(server: Server, count: int) -> list[LightSession]:
    """Open that many sessions, a few at a time."""
    sessions = [LightSession(server) for _ in range(count)]
    for start in range(0, count, AT_ONCE):
        await asyncio.gather(*(session.open() for session in sessions[start : start + AT_ONCE]))
    return sessions


async def drop_all(sessions: list[LightSession]) -> None:
    """Drop all these sessions concurrently."""
    await asyncio.gather(*(session.drop() for session in sessions))
