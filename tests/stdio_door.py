"""The STDIO server as a process, and its one client, line by line."""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

from tests.processes import ROOT, STDIO_DOOR, environment, sqlite
from tests.transport.sse_client import initialize_params

WAIT_S: Final = 30.0
LONGEST_LINE: Final = 1024 * 1024


class StdioDoor:
    """The server and its one client. Every line on stdout must be a message."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self._log = log
        self._ids = itertools.count(1)

    def log(self) -> str:
        """Return its stderr so far."""
        return self._log.read_text("utf-8")

    async def send(self, *lines: bytes) -> None:
        """Send lines unchanged."""
        self._stdin.writelines(line + b"\n" for line in lines)
        await self._stdin.drain()

    async def line(self) -> bytes:
        """Return the next line as it is."""
        async with asyncio.timeout(WAIT_S):
            return await self._stdout.readline()

    async def message(self) -> dict[str, Any]:
        """Return the next message."""
        message: dict[str, Any] = json.loads(await self.line())
        assert message["jsonrpc"] == "2.0"
        return message

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request; return its response, which is the next message."""
        request_id = next(self._ids)
        await self.send(encoded({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}}))
        response = await self.message()
        assert response["id"] == request_id
        return response

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Return the result of a call."""
        result: dict[str, Any] = (await self.request("tools/call", {"name": tool, "arguments": arguments}))["result"]
        return result

    async def initialize(self, version: str = "2025-11-25") -> Self:
        """Initialize the connection."""
        await self.request("initialize", initialize_params(version))
        await self.send(encoded({"jsonrpc": "2.0", "method": "notifications/initialized"}))
        return self

    async def end_of_input(self) -> tuple[int, float, list[dict[str, Any]]]:
        """Close stdin; return the exit code, how many seconds that took, and the remaining messages."""
        closed_at = time.monotonic()
        self._stdin.close()
        code = await asyncio.wait_for(self.process.wait(), WAIT_S)
        took = time.monotonic() - closed_at
        return code, took, [json.loads(line) for line in (await self._stdout.read()).splitlines()]


def encoded(message: Any) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode()


@asynccontextmanager
async def stdio_door(folder: Path, **settings: str) -> AsyncGenerator[StdioDoor]:
    """Start the server over the embedded API, unless the settings name another one; end it if the test has not."""
    pipe, log = asyncio.subprocess.PIPE, folder / "log"
    given = environment(**({"MCP_DATABASE_URL": sqlite(folder)} | settings))
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *STDIO_DOOR, cwd=ROOT, env=given, stdin=pipe, stdout=pipe, stderr=stderr, limit=LONGEST_LINE
        )
    try:
        yield StdioDoor(process, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
