"""What is not a unit of work: memory of idle sessions, start over STDIO, and latency at a fixed rate."""

import asyncio
import json
import statistics
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain
from typing import Final

import uvloop

from bench.figures import MEMORY, P50, P99, START, Figure
from bench.lab import Lab
from bench.parties import AT_ONCE, Party, programs, running
from bench.process import SERVER_CORE, running_on
from bench.programs import stdio_commands
from bench.rows import Row
from bench.wires import HANDSHAKE, initialize
from tests.processes import ROOT, environment, sqlite

IDLE: Final = (100, 500)
"""Sessions between which memory is compared."""
SETTLED_S: Final = 2.0
"""Until a server has forgotten connections that were closed."""
TURNS: Final = 5
SECONDS: Final = 2
"""For which calls come at a fixed rate in each turn."""


def memory(key: str, row: Row, lab: Lab) -> list[Figure]:
    """Return the memory of an idle session at every server of the row."""
    found = []
    for contender, program in programs(row, lab):
        with running(contender, program, lab) as party:
            found.append(Figure(key, contender.name, MEMORY, uvloop.run(_kb_of_an_idle_session(party))))
    return found


async def _kb_of_an_idle_session(party: Party) -> float:
    resident = []
    for sessions in IDLE:
        while len(party.wires) < sessions:  # a few at a time: open connections would be counted as well
            await party.open(AT_ONCE)
            for wire in party.wires[-AT_ONCE:]:
                wire.rest()
        await asyncio.sleep(SETTLED_S)
        resident.append(party.server.resident_kb())
    party.close()
    return (resident[1] - resident[0]) / (IDLE[1] - IDLE[0])


def start(key: str, lab: Lab, rounds: int) -> list[Figure]:
    """Return the time until servers over STDIO have answered `initialize`, in turns."""
    taken: dict[str, list[float]] = {}
    folder = lab.new_path("stdio")
    folder.mkdir()
    for _ in range(rounds):
        for name, command in stdio_commands().items():
            taken.setdefault(name, []).append(_ms_until_initialized(command, sqlite(folder)))
    return [Figure(key, name, START, min(all_ms), statistics.median(all_ms)) for name, all_ms in taken.items()]


def _ms_until_initialized(command: Sequence[str], database: str) -> float:
    begun = time.perf_counter()
    with running_on(SERVER_CORE), subprocess.Popen(
        command, cwd=ROOT, env=environment(MCP_DATABASE_URL=database), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(initialize(HANDSHAKE) + b"\n")
        process.stdin.flush()
        response = json.loads(process.stdout.readline())
        taken = time.perf_counter() - begun
        process.kill()
    if "result" not in response:
        raise RuntimeError(f"{command}: {response}")
    return taken * 1e3


def latency(key: str, row: Row, lab: Lab) -> list[Figure]:
    """Return the latency of every server of the row, in turns."""
    with ExitStack() as stack:
        parties = [stack.enter_context(running(contender, made, lab)) for contender, made in programs(row, lab)]
        taken = uvloop.run(_latencies(row, parties))
    figures = []
    for party, turns in zip(parties, taken, strict=True):
        middles = [statistics.median(ms) for ms in turns]
        all_ms, name = sorted(chain(*turns)), party.contender.name
        figures += [
            Figure(key, name, P50, min(middles), statistics.median(middles)),
            Figure(key, name, P99, all_ms[len(all_ms) * 99 // 100]),
        ]
    return figures


async def _latencies(row: Row, parties: Sequence[Party]) -> list[list[list[float]]]:
    taken: list[list[list[float]]] = [[] for _ in parties]
    for party in parties:
        await party.open(row.sessions)
        await party.renew()
        await party.turn(row.calls)
    for _ in range(TURNS):
        for party, turns in zip(parties, taken, strict=True):
            await party.renew()
            turns.append(await _paced(party, row.per_second))
    for party in parties:
        party.close()
    return taken


async def _paced(party: Party, per_second: int) -> list[float]:
    """Return how long calls took, in ms from when each was due: a server that stalls makes later ones wait, too."""
    free: asyncio.Queue[object] = asyncio.Queue()
    for wire in party.wires:
        free.put_nowait(wire)
    taken: list[float] = []

    async def one(due: float) -> None:
        wire = await free.get()
        await party.contender.work(wire)
        taken.append((time.perf_counter() - due) * 1e3)
        free.put_nowait(wire)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as calls:
        for number in range(per_second * SECONDS):
            due = begun + number / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            calls.create_task(one(due))
    return taken
