"""Processor time of a unit of work: in turns over all servers of a row, so that what disturbs one disturbs all."""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

import uvloop

from bench.figures import API_CPU, CPU, Figure
from bench.lab import Lab
from bench.parties import Party, programs, running
from bench.rows import Row

WARM_UP: Final = 4
"""How many turns come first: V8 compiles what runs often."""


def measure(key: str, row: Row, lab: Lab, rounds: int) -> list[Figure]:
    """Return the processor time of every server of the row, and of its ticket API."""
    made = list(programs(row, lab))
    with ExitStack() as stack:
        parties = [stack.enter_context(running(contender, program, lab)) for contender, program in made]
        taken = uvloop.run(_in_turns(row, parties, rounds))
    return [
        Figure(key, party.contender.name, measure, min(all_us), statistics.median(all_us))
        for party, turns in zip(parties, taken, strict=True)
        for measure, all_us in turns.items()
    ]


async def _in_turns(row: Row, parties: Sequence[Party], rounds: int) -> list[dict[str, list[float]]]:
    taken: list[dict[str, list[float]]] = [{} for _ in parties]
    for party in parties:
        await party.open(row.sessions)
        await party.renew()
        await party.turn(row.calls * WARM_UP)
    for _ in range(rounds):
        for party, all_us in zip(parties, taken, strict=True):
            await party.renew()
            processes = {CPU: party.server} | ({API_CPU: party.api} if party.api else {})
            before = {measure: process.cpu_us() for measure, process in processes.items()}
            await party.turn(row.calls)
            for measure, process in processes.items():
                us = (process.cpu_us() - before[measure]) / row.sessions / row.calls
                all_us.setdefault(measure, []).append(us)
    for party in parties:
        party.close()
    return taken
