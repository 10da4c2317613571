"""One run: callers at work, faults during their calls, and the outcome."""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.chaos.callers import PATIENCE_S, Callers
from tests.chaos.fleet import Fleet, Instance
from tests.chaos.plan import FROZEN_S, Fault, Strike
from tests.chaos.script import scripts

RUN_S: Final = 250.0
STREAMING_S: Final = 3.5
"""Seconds a client may need to reconnect after losing its stream: `retry:` is at most 3 s."""
LOSING_S: Final = 2.0
LATE_S: Final = 8.0
"""Seconds in which a continued instance usually finds out that its responses are no longer accepted."""
POLL_S: Final = 0.2
NEEDS_THE_OTHERS: Final = frozenset({Fault.END, Fault.KILL, Fault.FREEZE})


@dataclass
class Outcome:
    """Result of a run: the callers with their reports, and how many calls were running at each fault."""

    seed: int
    callers: Callers
    running: list[tuple[Fault, int]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0


async def storm(fleet: Fleet, strikes: Sequence[Strike], seed: int, node_modules: Path) -> Outcome:
    """Let the callers work through their scripts, one wave for each strike, which happens in the middle of its wave.

    `seed` chooses the scripts. Afterwards all instances run again.
    """
    outcome = Outcome(seed, Callers(scripts(seed, waves=len(strikes))))
    started = time.monotonic()
    async with asyncio.timeout(RUN_S), outcome.callers.run(fleet.address, node_modules):
        await outcome.callers.release(0)
        await outcome.callers.until(lambda: outcome.callers.settled(0) == len(outcome.callers.scripts))
        for wave, strike in enumerate(strikes, start=1):
            if strike.fault in NEEDS_THE_OTHERS:
                await fleet.whole()
            await outcome.callers.release(wave)
            await outcome.callers.until(lambda: outcome.callers.settled(wave) >= strike.after)  # noqa: B023 - awaited here
            fleet.gate.close()
            await fleet.gate.until_held(strike.held)
            outcome.running.append((strike.fault, sum(fleet.gate.held().values())))
            try:
                await _strike(fleet, strike, outcome.callers)
            finally:
                fleet.gate.open()
        await outcome.callers.until(outcome.callers.finished)
    await fleet.whole()
    outcome.broken, fleet.broken = fleet.broken, []
    outcome.seconds = time.monotonic() - started
    return outcome


async def _strike(fleet: Fleet, strike: Strike, callers: Callers) -> None:
    """Apply the fault. Returns when calls may continue: usually immediately, with the gate still closed."""
    held = fleet.gate.held()
    victim = fleet.instances[max(held, key=lambda number: held[number])]
    match strike.fault:
        case Fault.CUT:
            fleet.proxy.cut()
        case Fault.SWALLOW:
            await _swallow(fleet, strike.swallows, responses=len(callers.scripts))
        case Fault.END:
            await fleet.end(victim)
        case Fault.KILL:
            await fleet.kill(victim)
        case Fault.FREEZE:
            await _freeze(fleet, victim)
        case Fault.BROKER:
            await asyncio.to_thread(fleet.valkey.kill)
            fleet.gate.open()
            await asyncio.sleep(strike.outage_s)  # as long as a restart takes, with responses that cannot be stored
            await asyncio.to_thread(fleet.valkey.start)


async def _swallow(fleet: Fleet, limit: int, *, responses: int) -> None:
    """Lose responses in transit, one for each caller, then cut.

    Without a write into a dying stream, there would be nothing to write again: so all callers have a stream before, and
    the cut does not come with the first response.
    """
    with suppress(TimeoutError):  # some callers have finished their calls
        async with asyncio.timeout(STREAMING_S):
            await fleet.proxy.until_streaming(responses)
    fleet.proxy.swallow(limit)
    fleet.gate.open()
    with suppress(TimeoutError):  # some callers have no call in flight
        async with asyncio.timeout(LOSING_S):
            await fleet.proxy.until_swallowed(responses)
    fleet.proxy.cut()


async def _freeze(fleet: Fleet, victim: Instance) -> None:
    """Stop an instance in the middle of its calls until another one has answered for it; then continue it.

    It must find out that its own responses are no longer accepted: few clients would notice a second one. Not every
    response is counted, because a call that its client has cancelled has none.
    """
    victim.process.send(signal.SIGSTOP)
    try:
        fleet.gate.open()
        await _until(lambda: fleet.too_late(victim)[0], FROZEN_S)
    finally:
        victim.process.send(signal.SIGCONT)
    if await _until(lambda: fleet.too_late(victim)[1], LATE_S):
        return
    responded, _ = fleet.too_late(victim)
    if responded > 1 and not await _until(lambda: fleet.too_late(victim)[1], PATIENCE_S):
        fleet.broken.append(f"instance {victim.number} dropped none of {responded} late responses")


async def _until(done: Callable[[], object], seconds: float) -> bool:
    """Wait until `done()` is true, at most that long; return whether it is."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not await asyncio.to_thread(done):  # noqa: ASYNC110 - it is read from the log of other processes
                await asyncio.sleep(POLL_S)
            return True
    return False
