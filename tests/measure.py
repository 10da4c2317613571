"""Cost of a session and of a call: `python -m tests.measure`. Linux; nothing else should run meanwhile.

Each server is a process with the same tools and the same uvicorn; one of them is the MCP SDK's SSE server, so that
numbers from this machine can be compared with something. They are processor time of the server processes only, without
clients and Valkey, taken in turns; the median counts. That is reliable on a machine with other work, where rates are
not.
"""

import argparse
import asyncio
import os
import socket
import statistics
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.processes import Process, started
from tests.transport.dispatch.test_dispatcher import call
from tests.transport.gated_server import gated_server
from tests.transport.light_client import LightSession, Server, light_server, open_sessions
from tests.valkey import valkey_server

ROOM: Final = '{"max_sessions": 3000, "max_sessions_per_principal": 3000, "max_streams_per_principal": 3000}'
OBSERVED: Final = ("-m", "tests.transport.observed_server", "--limits", ROOM)
SDK: Final = ("-m", "tests.measure", "--serve-sdk")
ME: Final = {"x-api-key": "key-me"}
CALLERS: Final = 20
CALLS: Final = 100
IDLE: Final = (200, 1000)


def serve_sdk(app: Starlette) -> None:
    """Serve an application of the SDK, with the same tools, on the same uvicorn."""

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "healthy"})

    app.router.routes.append(Route("/health", health))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, ws="none", timeout_keep_alive=65, timeout_graceful_shutdown=1
        )
        uvicorn.Server(config).run(sockets=[listener])


def cpu_s(processes: Sequence[Process]) -> float:
    """Return the processor time used by the processes, in seconds."""
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_kb(process: Process) -> float:
    """Return the resident memory of a process, in 1,000 bytes."""
    rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text("ascii")
    return 1.024 * next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Rss:"))


async def calls_in_turn(session: LightSession, first: int) -> None:
    """Make calls, each after the response to the previous one."""
    for number in range(first, first + CALLS):
        await session.post(call(number, "echo", text="hello"))
        await session.read_until(rb'"id":%d[^\n]*\n\r?\n' % number)


class Measured:
    """A started server of one or two processes, with sessions on the first that send their messages to the last."""

    def __init__(self, name: str, processes: Sequence[Process], servers: Sequence[Server]) -> None:
        self.name = name
        self.us_per_call: list[float] = []
        self._processes = processes
        self._servers = servers
        self._sessions = [LightSession(servers[0], messages_to=servers[-1]) for _ in range(CALLERS)]
        self._next = 1

    async def open(self) -> None:
        """Open its sessions, and make warm-up calls that are not counted."""
        await asyncio.gather(*(session.open() for session in self._sessions))
        await self.turn()
        self.us_per_call.clear()

    async def turn(self) -> None:
        """Make calls on all sessions concurrently."""
        before = cpu_s(self._processes)
        await asyncio.gather(*(calls_in_turn(session, self._next) for session in self._sessions))
        self.us_per_call.append((cpu_s(self._processes) - before) / CALLERS / CALLS * 1e6)
        self._next += CALLS

    async def kb_per_session(self) -> float:
        """Return the memory of an idle session, in 1,000 bytes."""
        few, many = IDLE
        await open_sessions(self._servers[0], few - CALLERS)
        before = resident_kb(self._processes[0])
        await open_sessions(self._servers[0], many - few)
        return (resident_kb(self._processes[0]) - before) / (many - few)


async def measure(turns: int) -> None:
    """Print a table."""
    async with AsyncExitStack() as stack:
        valkey = stack.enter_context(valkey_server("--appendonly", "no"))
        shared = (*OBSERVED, "--broker-url", valkey.url)
        all_measured: list[Measured] = []
        servers_of: dict[str, list[tuple[str, ...]]] = {
            "MCP SDK": [SDK],
            "in memory": [OBSERVED],
            "Valkey, one instance": [shared],
            "Valkey, stream and messages on two": [shared, shared],
        }
        for name, programs in servers_of.items():
            running = [stack.enter_context(started(program)) for program in programs]
            servers = [await stack.enter_async_context(light_server(address, ME)) for address, _ in running]
            all_measured.append(Measured(name, [process for _, process in running], servers))
        for measured in all_measured:
            await measured.open()
        for _ in range(turns):
            for measured in all_measured:
                await measured.turn()
        sdk = statistics.median(all_measured[0].us_per_call)
        print("| sessions | CPU a call | of the SDK's | an idle session |\n|---|---|---|---|")
        for measured in all_measured:
            cost = statistics.median(measured.us_per_call)
            print(f"| {measured.name} | {cost:.0f} µs | {cost / sdk:.2f} | {await measured.kb_per_session():.1f} kB |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.measure", description=__doc__)
    parser.add_argument("--turns", type=int, default=9, help="number of turns for each server")
    parser.add_argument("--serve-sdk", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve_sdk:
        serve_sdk(gated_server()[0].sse_app())
        sys.exit()
    asyncio.run(measure(given.turns))
