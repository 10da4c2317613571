"""The proxy changes nothing but the key, and passes a client's disconnect on to the server."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.conformance.key_proxy import KeyProxy

pytestmark = pytest.mark.xdist_group("conformance")

REQUEST = b"POST /mcp HTTP/1.1\r\nHost: evil.example.com\r\nConnection: keep-alive\r\nMcp-Name:   a  \r\n\r\n{}"
WAIT_S = 10.0


class Backend:
    """Answers the head of each request with one event of a stream, and records what it received."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.left = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nid: 1\n\n")
        await reader.read()
        self.left.set()
        writer.close()


@asynccontextmanager
async def proxied(*backends: Backend) -> AsyncGenerator[int]:
    """Yield the port of a proxy in front of the backends."""
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(await asyncio.start_server(one.serve, "127.0.0.1", 0)) for one in backends
        ]
        proxy = KeyProxy([server.sockets[0].getsockname()[1] for server in servers], "key-1")
        await stack.enter_async_context(proxy.run())
        yield int(proxy.address.rpartition(":")[2])


async def ask(port: int) -> asyncio.StreamWriter:
    """Send the request, and return once an event has arrived while the stream is open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    async with asyncio.timeout(WAIT_S):
        await reader.readuntil(b"id: 1\n\n")
    return writer


async def test_a_request_gets_the_key_and_keeps_everything_else() -> None:
    backend = Backend()
    async with proxied(backend) as port:
        (await ask(port)).close()

    assert backend.heard == [
        b"POST /mcp HTTP/1.1\r\nHost: evil.example.com\r\nMcp-Name:   a  \r\n"
        b"x-api-key: key-1\r\nconnection: close\r\n\r\n{}"
    ]


async def test_each_request_goes_to_the_next_backend() -> None:
    backends = [Backend(), Backend()]
    async with proxied(*backends) as port:
        for _ in range(4):
            (await ask(port)).close()

    assert [len(one.heard) for one in backends] == [2, 2]


async def test_a_client_that_goes_is_gone_for_the_backend() -> None:
    backend = Backend()
    async with proxied(backend) as port:
        (await ask(port)).close()
        async with asyncio.timeout(WAIT_S):
            await backend.left.wait()
