"""The way from the MCP server to the ticket API, which can be made slow."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

_CHUNK: Final = 64 * 1024


class Pipe:
    """Forwards connections; what callers send arrives `delay_s` later."""

    def __init__(self) -> None:
        self.port = 0
        self.delay_s = 0.0

    @asynccontextmanager
    async def run(self, to: int) -> AsyncGenerator[None]:
        """Forward from `port`, which it chooses, to another port of loopback."""
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._join(reader, writer, to)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: int) -> None:
        api_reader, api_writer = await asyncio.open_connection("127.0.0.1", to)
        try:
            there = asyncio.create_task(self._copy(reader, api_writer, slow=True))
            back = asyncio.create_task(self._copy(api_reader, writer, slow=False))
            await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
        finally:
            api_writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool) -> None:
        while chunk := await reader.read(_CHUNK):
            if slow and self.delay_s:
                await asyncio.sleep(self.delay_s)
            writer.write(chunk)
            await writer.drain()
