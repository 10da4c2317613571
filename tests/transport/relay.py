"""A relay in front of a server: for TLS, and for connections that become silent, which the server cannot do itself."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Relay:
    """Forwards bytes between clients of `port` and the server."""

    def __init__(self, url: str) -> None:
        self.port = 0
        self._server = urlsplit(url)
        self._heard = asyncio.Event()
        self._heard.set()

    def fall_silent(self) -> None:
        """Stop forwarding on all existing connections without closing them; later ones are served as before."""
        self._heard.clear()
        self._heard = asyncio.Event()
        self._heard.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection, both ways."""
        heard = self._heard
        back, forth = await asyncio.open_connection(self._server.hostname, self._server.port)
        await asyncio.gather(self._pump(reader, forth, heard), self._pump(back, writer, heard))

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, heard: asyncio.Event) -> None:
        try:
            while data := await source.read(65_536):
                if heard.is_set():
                    target.write(data)
                    await target.drain()
        except OSError:
            pass  # one side closed; the other follows
        finally:
            target.close()


@asynccontextmanager
async def relay(url: str, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Relay]:
    """Start a relay on a free loopback port, in front of the server at `url`."""
    relaying = Relay(url)
    async with await asyncio.start_server(relaying.serve, "127.0.0.1", 0, ssl=tls) as server:
        relaying.port = server.sockets[0].getsockname()[1]
        yield relaying
