"""A real HTTP proxy on loopback: tunnels by CONNECT and forwards plain requests, all of them to one server."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.shared.faulty_server import listening


class ForwardProxy:
    """Connects every request to one port of this machine, whatever host it names; `refusal` answers it instead."""

    def __init__(self, target_port: int, *, refusal: bytes | None = None) -> None:
        self._target_port = target_port
        self._refusal = refusal
        self.asked: list[str] = []
        """Method and target of the first request of each connection."""
        self.credentials: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target = head.split(" ", 2)[:2]
        self.asked.append(f"{method} {target}")
        self.credentials += re.findall(r"(?im)^proxy-authorization: (.*)\r$", head)
        if self._refusal is not None:
            writer.write(self._refusal)
            await writer.drain()
            return
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            inner_writer.write(head.encode())
        try:
            await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))
        finally:
            inner_writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65_536):
        writer.write(part)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


@asynccontextmanager
async def proxying(target_port: int, *, refusal: bytes | None = None) -> AsyncIterator[tuple[ForwardProxy, str]]:
    """Run a proxy to `target_port`; yield it and its host and port."""
    proxy = ForwardProxy(target_port, refusal=refusal)
    async with listening(proxy.serve) as port:
        yield proxy, f"127.0.0.1:{port}"
