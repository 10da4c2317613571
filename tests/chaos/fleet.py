"""A small deployment: server processes behind the proxy, one Valkey, one ticket API on PostgreSQL behind the gate.

Every instance keeps its port, so that it can be restarted after a kill. Blocking work runs in threads; everything is
ended in reverse order, by process id.
"""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import Any, Final

import httpx2

from tests.chaos.gate import Gate
from tests.chaos.proxy import Proxy
from tests.processes import API_KEY, KEY, Process, steady_port, ticket_api
from tests.valkey import ValkeyServer, valkey_server

DOOR: Final = ("-m", "tests.chaos.door")
END_S: Final = 9.0
"""Seconds within which an instance must exit after SIGTERM; platforms kill after ten."""
_DROPPED: Final = frozenset({"answer_dropped", "late_answer_dropped"})


class Instance:
    """One server process, started repeatedly on the same port."""

    def __init__(self, number: int, settings: dict[str, str]) -> None:
        self.number = number
        self.port = steady_port()
        self._settings = settings | {"PORT": str(self.port)}
        self._running = ExitStack()
        self._process: Process | None = None
        self._said = ""

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended since."""
        return self._process is not None

    @property
    def process(self) -> Process:
        """The current process."""
        assert self._process is not None, "the instance is not started"
        return self._process

    async def start(self) -> None:
        """Start it after its previous process has ended; return once it responds."""
        await self.close()
        self._process = self._running.enter_context(Process(DOOR, **self._settings))
        await asyncio.to_thread(self._process.wait_until_ready)

    async def until_draining(self) -> None:
        """Wait until it drains or has ended."""
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=30) as http:
            with contextlib.suppress(httpx2.TransportError):
                while (await http.get("/ready")).status_code != 503:
                    pass  # each iteration awaits a response

    async def close(self) -> None:
        """End it if it is running."""
        await asyncio.to_thread(self._running.close)
        if self._process is not None:
            self._said, self._process = self._said + self._process.said, None

    def complaints(self) -> list[str]:
        """Return everything its processes have logged as errors."""
        said = self._said + (self._process.said_so_far() if self._process is not None else "")
        return [line for line in said.splitlines() if '"severity":"ERROR"' in line]

    def logged(self) -> list[dict[str, Any]]:
        """Return everything the current process has logged."""
        lines = (
            line for line in self.process.said_so_far().splitlines() if line.startswith("{") and line.endswith("}")
        )
        return [json.loads(line) for line in lines]


class Fleet:
    """Everything that a fault can hit."""

    def __init__(self, instances: list[Instance], proxy: Proxy, gate: Gate, valkey: ValkeyServer) -> None:
        self.instances = instances
        self.proxy = proxy
        self.gate = gate
        self.valkey = valkey
        self.broken: list[str] = []
        """What an instance did wrong: on SIGTERM, or with responses that came too late."""
        self._restarts: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """The address for clients."""
        return self.proxy.address

    async def end(self, victim: Instance) -> None:
        """Send an instance SIGTERM, as a platform does before it starts another; return once it drains. See `whole`."""
        if len(self.instances) > 1:  # otherwise there is no other instance for clients
            self.proxy.retire(victim.port)
        asked_at = time.monotonic()
        victim.process.ask_to_end()
        await victim.until_draining()

        async def replace() -> None:
            code = await asyncio.to_thread(victim.process.wait)
            took = time.monotonic() - asked_at
            if code != 0 or took > END_S:
                self.broken.append(f"instance {victim.number} with code {code} after {took:.1f} s")
            await victim.start()
            self.proxy.readmit(victim.port)

        self._restarts.add(asyncio.create_task(replace()))

    async def kill(self, victim: Instance) -> None:
        """Kill an instance and restart it; return once it is dead. See `whole`."""
        victim.process.send(signal.SIGKILL)
        await asyncio.to_thread(victim.process.wait)
        self._restarts.add(asyncio.create_task(victim.start()))

    def too_late(self, victim: Instance) -> tuple[int, int]:
        """Return how many calls of an instance others answered instead, and how many late responses it dropped."""
        everything = {one: one.logged() for one in self.instances if one.runs}
        mine = everything.pop(victim)
        names = {line["instance"] for line in mine if line["message"] == "broker_connected"}
        buried = [
            line
            for lines in everything.values()
            for line in lines
            if line["message"] == "call_interrupted" and line["instance"] in names and line["was_open"]
        ]
        return len(buried), sum(line["message"] in _DROPPED for line in mine)

    async def whole(self) -> None:
        """Wait until every instance is running."""
        while self._restarts:
            await self._restarts.pop()


@asynccontextmanager
async def fleet(
    database_url: str, *, instances: int = 3, retry_ms: int | None = None, **settings: str
) -> AsyncGenerator[Fleet]:
    """Start everything; `settings` are those of the server processes, whose callers are faster than people are.

    Args:
        database_url: a PostgreSQL database with the tables of the ticket API, as the application role.
        instances: number of server processes.
        retry_ms: how long clients wait before they reconnect, replacing the server's `retry:`.
        settings: further environment variables of the server processes.
    """
    async with AsyncExitStack() as stack:
        blocking = stack.enter_context(ExitStack())
        api, valkey = await asyncio.gather(
            asyncio.to_thread(blocking.enter_context, ticket_api(database_url, MCP_SAMPLE_DATA="en")),
            asyncio.to_thread(blocking.enter_context, valkey_server()),
        )
        gate = Gate(api)
        await stack.enter_async_context(gate.run())
        doors: dict[str, str] = {"MCP_MCP_API_KEY": KEY, "MCP_API_KEY": API_KEY, "MCP_BROKER_URL": valkey.url}
        doors["MCP_API_CONCURRENCY"] = "64"  # the gate holds all calls of a crowd at the same time
        doors |= {f"MCP_{kind}_PER_MINUTE": "60000" for kind in ("READS", "WRITES", "TENANT_READS", "TENANT_WRITES")}
        run = [
            Instance(number, doors | {"MCP_API_BASE_URL": gate.address(number)} | settings)
            for number in range(instances)
        ]
        proxy = Proxy([instance.port for instance in run], retry_ms=retry_ms)
        everything = Fleet(run, proxy, gate, valkey)
        stack.push_async_callback(_all, Instance.close, run)
        await _all(Instance.start, run)
        await stack.enter_async_context(proxy.run())
        stack.push_async_callback(everything.whole)
        yield everything


async def _all(do: Callable[[Instance], Any], instances: list[Instance]) -> None:
    await asyncio.gather(*map(do, instances))
