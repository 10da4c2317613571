"""Cost of a call over Streamable HTTP: `python -m tests.measure_http`. Linux; nothing else should run meanwhile.

Measured as in `tests.measure`: processor time of the server processes per `tools/call`, in turns, next to the MCP SDK's
own Streamable HTTP server with the same tools in the same run. Each caller keeps one connection.
"""

import argparse
import asyncio
import contextlib
import json
import re
import statistics
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from tests.measure import CALLERS, CALLS, OBSERVED, cpu_s, serve_sdk
from tests.processes import Process, started
from tests.transport.dispatch.test_dispatcher import call
from tests.transport.gated_server import gated_server
from tests.transport.sse_client import initialize_params
from tests.valkey import valkey_server

SDK: Final = ("-m", "tests.measure_http", "--serve-sdk")
HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"
NO_SESSION: Final = f"{HANDSHAKE}, no session id"
ALONE: Final = {"MCP-Protocol-Version": HANDSHAKE}
ENVELOPE: Final = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientCapabilities": {},
}
ROUTING: Final = {"MCP-Protocol-Version": STATELESS, "Mcp-Method": "tools/call", "Mcp-Name": "echo"}
LIMITS: Final = ("--per-minute", "10000000")
"""Limits cost the same however high they are."""
LIMIT_S: Final = 30.0


class Caller:
    """One connection and, with a handshake, one session."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host
        self._headers: dict[str, str] = {}

    async def post(self, message: Any, headers: dict[str, str]) -> str:
        """Send one message; return the head of the response, which is read to its end."""
        body = json.dumps(message)
        about = {
            "Host": self._host,
            "x-api-key": "key-me",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in about.items())
        self._writer.write(f"POST /mcp HTTP/1.1\r\n{head}\r\n{body}".encode())
        async with asyncio.timeout(LIMIT_S):
            responded = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            if "chunked" in responded:
                await self._reader.readuntil(b"\r\n0\r\n\r\n")
            elif length := re.search(r"(?i)content-length: (\d+)", responded):
                await self._reader.readexactly(int(length[1]))
        assert re.match(r"HTTP/1\.1 20[02]", responded), responded
        return responded

    async def shake_hands(self) -> None:
        """Open a session."""
        opening = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize_params()}
        head = await self.post(opening, {})
        (session,) = re.findall(r"(?im)^mcp-session-id: (\S+)", head)
        self._headers = {"MCP-Protocol-Version": HANDSHAKE, "Mcp-Session-Id": session}
        await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, self._headers)

    async def calls(self, first: int, revision: str) -> None:
        """Make calls, each after the response to the previous one."""
        for number in range(first, first + CALLS):
            message = call(number, "echo", text="hello")
            if revision == STATELESS:
                message["params"]["_meta"] = ENVELOPE
            await self.post(message, {STATELESS: ROUTING, NO_SESSION: ALONE}.get(revision, self._headers))


@asynccontextmanager
async def callers(address: str) -> AsyncGenerator[list[Caller]]:
    """Yield callers that are connected and initialized."""
    url = urlsplit(address)
    connections = [await asyncio.open_connection(url.hostname, url.port) for _ in range(CALLERS)]
    made = [Caller(reader, writer, url.netloc) for reader, writer in connections]
    await asyncio.gather(*(caller.shake_hands() for caller in made))
    try:
        yield made
    finally:
        for _, writer in connections:
            writer.close()
        with contextlib.suppress(OSError):
            await asyncio.gather(*(writer.wait_closed() for _, writer in connections))


async def turn(process: Process, made: Sequence[Caller], first: int, revision: str) -> float:
    """Make calls with all callers concurrently; return the cost of one, in µs."""
    before = cpu_s([process])
    await asyncio.gather(*(caller.calls(first, revision) for caller in made))
    return (cpu_s([process]) - before) / CALLERS / CALLS * 1e6


async def measure(turns: int) -> None:
    """Print a table."""
    async with AsyncExitStack() as stack:
        valkey = stack.enter_context(valkey_server("--appendonly", "no"))
        shared = (*OBSERVED, "--broker-url", valkey.url)
        programs = {
            "MCP SDK": SDK,
            "in memory": OBSERVED,
            "in memory, with limits": (*OBSERVED, *LIMITS),
            "Valkey": shared,
            "Valkey, with limits": (*shared, *LIMITS),
        }
        running = {name: stack.enter_context(started(program)) for name, program in programs.items()}
        made = {name: await stack.enter_async_context(callers(address)) for name, (address, _) in running.items()}
        cost: dict[tuple[str, str], list[float]] = {}
        for number in range(turns + 1):  # the first turn is a warm-up
            for revision in (HANDSHAKE, NO_SESSION, STATELESS):
                for name, (_, process) in running.items():
                    if (name, revision) == ("MCP SDK", NO_SESSION):  # it serves none
                        continue
                    us = await turn(process, made[name], 1 + number * CALLS, revision)
                    cost.setdefault((name, revision), []).append(us)
        print("| server | revision | CPU a call | of the SDK's |\n|---|---|---|---|")
        for (name, revision), all_us in cost.items():
            of_sdk = cost["MCP SDK", HANDSHAKE if revision == NO_SESSION else revision]
            us, sdk = (statistics.median(one[1:]) for one in (all_us, of_sdk))
            print(f"| {name} | {revision} | {us:.0f} µs | {us / sdk:.2f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.measure_http", description=__doc__)
    parser.add_argument("--turns", type=int, default=9, help="number of turns for each server")
    parser.add_argument("--serve-sdk", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve_sdk:
        serve_sdk(gated_server()[0].streamable_http_app())
        sys.exit()
    asyncio.run(measure(given.turns))
