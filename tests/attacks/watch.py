"""What others notice of an attack: how long their requests take, what the server holds, and what is left afterwards.

Probes start at fixed times whether or not the previous ones have responses, each on a new connection: a server that
hangs for seconds fails many of them, not one. Linux only: memory and connections of the server are read from /proc.
"""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from tests.attacks.attacker import tool_call
from tests.attacks.stalls import STALL_S, Probe, Stalls, Taken
from tests.processes import ROOT, START_S

MB: Final = 1024 * 1024
HEALTH_S: Final = 0.25
CALL_S: Final = 1.0
PROBES: Final = 100
"""Fewest probes of each kind that count during an attack."""
AFTERWARDS: Final = 20
"""Likewise afterwards."""
PEAK_MB: Final = 96
LEFT_MB: Final = 48
"""Memory above that at rest, during an attack and after it."""
ATTACK_S: Final = 10.0
LONGEST_S: Final = 60.0
"""Seconds that an attack lasts, and most seconds on a machine with many stalls."""
END_S: Final = 30.0
RECOVERY_S: Final = 30.0
"""Seconds the server may take to close what an attack left: an unfinished head has 10 s."""
LISTENING: Final = "0A"
"""A state in /proc/net/tcp."""
EVERY_S: Final = 0.08
AFTERWARDS_EVERY_S: Final = 0.02

Attack = Callable[[asyncio.Event], Awaitable[str]]
"""Goes on until the event; returns what it did."""


@dataclass(frozen=True)
class Ground:
    """A started server, its attacker and its other user."""

    address: str
    pid: int
    health: Probe
    neighbour: Probe
    key: str = ""
    """The attacker's."""

    def memory(self, name: str = "VmRSS") -> float:
        """Return its resident memory, in MB; `VmHWM` is the peak since `forget_peak`."""
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{name}:")) / MB

    def forget_peak(self) -> None:
        """Reset `VmHWM` to what is resident now."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", "ascii")

    def connections(self) -> int:
        """Return how many client connections it has accepted and not closed."""
        port = f":{urlsplit(self.address).port:04X}"
        sockets = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
        return sum(
            local.endswith(port) and state != LISTENING and inode != "0"
            for _, local, _, state, _, _, _, _, _, inode, *_ in sockets
        )


def probe(
    address: str, path: str, headers: Mapping[str, str] = MappingProxyType({}), body: bytes = b"", *, has: bytes = b""
) -> Probe:
    """Return a probe that sends one request, a POST if it has a body; it expects status 200 and `has` in the body."""
    url = urlsplit(address)
    about = {"Host": url.netloc, "Connection": "close", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in about.items())
    request = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\n{head}\r\n".encode() + body

    async def ask() -> bool:
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        try:
            writer.write(request)
            response = await reader.read()
            return response.startswith(b"HTTP/1.1 200") and has in response
        finally:
            writer.close()

    return ask


def call_probe(address: str, key: str, name: str, arguments: Mapping[str, Any]) -> Probe:
    """Return a probe that calls a tool."""
    headers, body = tool_call(name, arguments)
    return probe(address, "/mcp", headers | ({"x-api-key": key} if key else {}), body, has=b'"isError":false')


@asynccontextmanager
async def bystander() -> AsyncGenerator[Probe]:
    """Start a server that is not attacked, and yield a probe of it, which measures the delays of the machine."""
    command = (sys.executable, "-m", "tests.attacks.bystander")
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), START_S))
        yield probe(f"http://127.0.0.1:{port}", "/")
    finally:
        process.kill()
        await process.wait()


async def probed(
    asked: Mapping[Taken, Probe], stalls: Stalls, enough: Callable[[], bool], *, every_s: float = EVERY_S
) -> None:
    """Send a request of each kind every `every_s` until there are enough, then wait for those in flight."""
    async with asyncio.TaskGroup() as sending:
        while not enough():
            for one, ask in asked.items():
                sending.create_task(one.take(ask))
            await stalls.sleep(every_s)


async def watched(ground: Ground, attack: Attack) -> list[str]:
    """Probe during `attack`; return the broken promises, and print the measurements.

    The attack goes on until there are enough probes that count: not those during a stall of the machine.
    """
    machine, health, neighbour = Taken("bystander", STALL_S), Taken("health", HEALTH_S), Taken("neighbour", CALL_S)
    afterwards = Taken("health afterwards", HEALTH_S)
    for ask in (ground.health, ground.neighbour) * 10:  # warm-up, so that nothing runs for the first time under attack
        assert await ask()
    rest = ground.memory()
    ground.forget_peak()
    stalls, over = Stalls(ground.pid, machine), asyncio.Event()

    def counts(*probes: Taken, most: int) -> bool:
        return all(len(one.without(stalls).seconds) >= most for one in probes)

    async with bystander() as idle:
        attacking = asyncio.ensure_future(attack(over))
        ends = stalls.sampled_at + ATTACK_S

        def enough() -> bool:
            return attacking.done() or (stalls.sampled_at > ends and counts(health, neighbour, most=PROBES))

        try:
            async with asyncio.timeout(LONGEST_S):
                await probed({machine: idle, health: ground.health, neighbour: ground.neighbour}, stalls, enough)
        finally:
            over.set()
            print(await attacking)
        peak = ground.memory("VmHWM") - rest
        open_still = await recovered(ground)
        asked = {machine: idle, afterwards: ground.health}
        await probed(asked, stalls, lambda: counts(afterwards, most=AFTERWARDS), every_s=AFTERWARDS_EVERY_S)
    left = ground.memory() - rest
    kept = [one.without(stalls) for one in (health, neighbour, afterwards)]
    print(
        machine,
        *kept,
        f"peak {peak:.1f} MB over rest ({rest:.1f} MB), {left:.1f} MB left; {open_still} connections left",
        sep="\n",
    )
    broken = [str(one) for one in kept if not one.is_kept]
    broken += [f"peak {peak:.1f} MB over rest"] * (peak > PEAK_MB) + [f"{left:.1f} MB stay"] * (left > LEFT_MB)
    broken += [f"{open_still} connections stay"] * (open_still > 0)
    return broken


async def recovered(ground: Ground) -> int:
    """Wait at most `RECOVERY_S` until no client connection is open; return how many are."""
    deadline = time.monotonic() + RECOVERY_S
    while (still := ground.connections()) and time.monotonic() < deadline:  # noqa: ASYNC110 - /proc has no events
        await asyncio.sleep(0.1)
    return still


async def attacked(ground: Ground, name: str) -> list[str]:
    """Run an attack as a separate process; return the broken promises."""
    command = (sys.executable, "-m", "tests.attacks.attacker", name, ground.address, "--key", ground.key)
    return await watched(ground, lambda over: run_until(over, *command))


async def run_until(over: asyncio.Event, *command: str) -> str:
    """Run a program until `over`, when its input ends, and return its output; it must end by itself, and not before."""
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE)
    ended, told = asyncio.ensure_future(process.wait()), asyncio.ensure_future(over.wait())
    try:
        await asyncio.wait((ended, told), return_when=asyncio.FIRST_COMPLETED)
        assert over.is_set(), f"the attack ended early, with {process.returncode}"
        async with asyncio.timeout(END_S):
            written, _ = await process.communicate(b"")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        told.cancel()
    assert process.returncode == 0
    return written.decode()
