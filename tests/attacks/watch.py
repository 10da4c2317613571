"""What others notice of an attack: how long their requests take, what the server holds, and what is left afterwards.

Probes start at fixed times whether or not the previous ones have responses, each on a new connection: a server that
hangs for seconds fails many of them, not one. Linux only: memory and connections of the server are read from /proc.
"""

import asyncio
import math
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from tests.attacks.attacker import tool_call
from tests.processes import ROOT

MB: Final = 1024 * 1024
HEALTH_S: Final = 0.25
CALL_S: Final = 1.0
STALL_S: Final = 0.1
"""If the bystander takes longer, the machine was stalled."""
SHARE: Final = 0.95
"""Share of the probes that must get their response in time."""
PROBES: Final = 100
"""Fewest probes of each kind during an attack."""
PEAK_MB: Final = 96
LEFT_MB: Final = 48
"""Memory above that at rest, during an attack and after it."""
ATTACK_S: Final = 10.0
RECOVERY_S: Final = 15.0
"""Seconds the server may take to close what an attack left: an unfinished head has 10 s."""
LISTENING: Final = "0A"
"""A state in /proc/net/tcp."""
PROBE_TIMEOUT_S: Final = 5.0
EVERY_S: Final = 0.08

Probe = Callable[[], Awaitable[bool]]
"""Sends a request; returns whether the response was correct."""


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


@dataclass(eq=False)
class Taken:
    """How long the requests of one probe took, in seconds; infinite if the response was late, wrong or missing."""

    name: str
    limit_s: float
    seconds: list[float] = field(default_factory=list)
    """In the order in which they were sent."""

    async def take(self, ask: Probe) -> None:
        """Send one request."""
        began, index = time.perf_counter(), len(self.seconds)
        self.seconds.append(math.inf)
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                if await ask():
                    self.seconds[index] = time.perf_counter() - began

    def without(self, indexes: Collection[int]) -> "Taken":
        """Return these times without those at `indexes`."""
        kept = [one for index, one in enumerate(self.seconds) if index not in indexes]
        return Taken(self.name, self.limit_s, kept)

    @property
    def late(self) -> list[int]:
        """Indexes of the requests whose response was late."""
        return [index for index, one in enumerate(self.seconds) if one > self.limit_s]

    @property
    def is_kept(self) -> bool:
        """Whether enough of them were in time."""
        return len(self.late) <= (1 - SHARE) * len(self.seconds)

    def __str__(self) -> str:
        middle, most = (sorted(self.seconds)[int(share * len(self.seconds))] for share in (0.5, SHARE))
        return f"{self.name}: {len(self.seconds)} probes, {len(self.late)} late, p50 {middle:.3f} s, p95 {most:.3f} s"


@asynccontextmanager
async def bystander() -> AsyncGenerator[Probe]:
    """Start a server that is not attacked, and yield a probe of it, which measures the delays of the machine."""
    command = (sys.executable, "-m", "tests.attacks.bystander")
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), PROBE_TIMEOUT_S))
        yield probe(f"http://127.0.0.1:{port}", "/")
    finally:
        process.kill()
        await process.wait()


async def probed(asked: Mapping[Taken, Probe], attack: Awaitable[Any]) -> None:
    """Send a request of each kind every `EVERY_S` until the attack is over, then wait for those in flight."""
    over = asyncio.Event()

    async def send() -> None:
        async with asyncio.TaskGroup() as sending:
            while not over.is_set():
                for one, ask in asked.items():
                    sending.create_task(one.take(ask))
                await asyncio.sleep(EVERY_S)

    async with asyncio.TaskGroup() as probing:
        probing.create_task(send())
        try:
            print(await attack)
        finally:
            over.set()


async def watched(ground: Ground, attack: Awaitable[Any]) -> list[str]:
    """Probe during `attack`; return the broken promises, and print the measurements.

    Probes sent while the bystander was late are not counted: the machine was stalled then.
    """
    machine, health, neighbour = Taken("bystander", STALL_S), Taken("health", HEALTH_S), Taken("neighbour", CALL_S)
    for ask in (ground.health, ground.neighbour) * 10:  # warm-up, so that nothing runs for the first time under attack
        assert await ask()
    rest = ground.memory()
    ground.forget_peak()
    async with bystander() as idle:
        await probed({machine: idle, health: ground.health, neighbour: ground.neighbour}, attack)
    peak = ground.memory("VmHWM") - rest
    open_still = await recovered(ground)
    afterwards = Taken("health afterwards", HEALTH_S)
    for _ in range(20):
        await afterwards.take(ground.health)
    left = ground.memory() - rest
    kept = [health.without(machine.late), neighbour.without(machine.late), afterwards]
    print(
        machine,
        *kept,
        f"peak {peak:.1f} MB over rest ({rest:.1f} MB), {left:.1f} MB left; {open_still} connections left",
        sep="\n",
    )
    assert len(kept[0].seconds) >= PROBES, "too short an attack, or too busy a machine, to see what others notice"
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


async def attacked(ground: Ground, name: str, *, seconds: float = ATTACK_S) -> list[str]:
    """Run an attack as a separate process; return the broken promises."""
    command = (sys.executable, "-m", "tests.attacks.attacker", name, ground.address)
    options = ("--key", ground.key, "--seconds", str(seconds))
    return await watched(ground, run_to_its_end(*command, *options, within_s=seconds + 30))


async def run_to_its_end(*command: str, within_s: float) -> str:
    """Run a program and return its output; it must end by itself and in time."""
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE)
    try:
        async with asyncio.timeout(within_s):
            written, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    return written.decode()
