"""Two writers whose requests pass a gate one at a time, in a generated order, with faults at writes.

Because nothing else happens while a request is executed, the gate knows for certain which history entries each write
created. `tests.shared.judge` checks the tools' sentences against that truth.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import anyio
import httpx2

from shared.api_client import APIClient

Fault = Literal["none", "done_but_500", "only_500", "done_but_lost", "lost", "late"]
FAULTS: Final[tuple[Fault, ...]] = (
    "none", "none", "none", "none", "none", "none", "done_but_500", "only_500", "done_but_lost", "lost", "late",
)  # fmt: skip
UNSETTLED: Final = frozenset({"done_but_lost", "lost", "late"})
"""Faults after which the API may still be executing the write."""
OPEN: Final = ("/health", "/tickets/master/")
"""Paths that bypass the gate, as they reveal nothing about the ticket."""
SOONER_LATE: Final = 0.3
LIMIT_S: Final = 60.0
"""Seconds; no interleaving takes this long unless it hangs."""

Json = dict[str, Any]


@dataclass
class Write:
    """One write that reached the gate."""

    writer: str
    fault: Fault
    state: Json
    """The ticket when the write arrived."""
    made: list[Json] = field(default_factory=list)
    """The history entries that the write created."""


class _Waiting(NamedTuple):
    writer: str
    go: anyio.Event
    done: anyio.Event


class Gate:
    """Lets one request through at a time, chosen by `rng`. `direct` reaches the API without passing the gate."""

    def __init__(self, direct: APIClient, ticket_id: str, rng: random.Random) -> None:
        self.direct = direct
        self.ticket_id = ticket_id
        self.rng = rng
        self.writes: list[Write] = []
        self.seen: dict[str, Json] = {}
        """The ticket as each writer last read it."""
        self.first_read: dict[str, int] = {}
        """The newest entry when each writer first read the history in its current call."""
        self.late: list[Callable[[], Awaitable[None]]] = []
        """Writes that the API executes after their callers have stopped waiting."""
        self._waiting: list[_Waiting] = []
        self._running: set[str] = set()
        self._changed = anyio.Condition()

    async def history(self) -> list[Json]:
        """Return the current history."""
        entries: list[Json] = await self.direct.get(f"/tickets/{self.ticket_id}/history")
        return entries

    async def ticket(self) -> Json:
        """Return the current ticket."""
        found: Json = await self.direct.get(f"/tickets/{self.ticket_id}")
        return found

    async def run(self, **calls: Callable[[], Awaitable[None]]) -> None:
        """Run a call of each writer to its end, then any late writes."""

        async def run_one(writer: str, call: Callable[[], Awaitable[None]]) -> None:
            await call()
            async with self._changed:
                self._running.discard(writer)
                self._changed.notify_all()

        self._running = set(calls)
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as tasks:
                for writer, call in calls.items():
                    tasks.start_soon(run_one, writer, call)
                while (one := await self._next()) is not None:
                    if self.late and self.rng.random() < SOONER_LATE:
                        await self.late.pop(0)()
                    one.go.set()
                    await one.done.wait()
        while self.late:
            await self.late.pop(0)()

    async def _next(self) -> _Waiting | None:
        """Return the next request, once every writer waits or has ended; None when all have ended."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._running <= {one.writer for one in self._waiting})
            return self._waiting.pop(self.rng.randrange(len(self._waiting))) if self._waiting else None

    async def enter(self, writer: str) -> anyio.Event:
        """Wait for the turn of a request; return the event to set once it has been executed."""
        mine = _Waiting(writer, anyio.Event(), anyio.Event())
        async with self._changed:
            self._waiting.append(mine)
            self._changed.notify_all()
        await mine.go.wait()
        return mine.done


class GateTransport(httpx2.AsyncBaseTransport):
    """One writer's transport to the API, through the gate."""

    def __init__(self, gate: Gate, writer: str, inner: httpx2.AsyncBaseTransport) -> None:
        self._gate, self._writer, self._inner = gate, writer, inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Wait for the turn, then send; a write may meet a fault."""
        if request.url.path.startswith(OPEN):
            return await self._inner.handle_async_request(request)
        done = await self._gate.enter(self._writer)
        try:
            return await (self._write(request) if request.method != "GET" else self._read(request))
        finally:
            done.set()

    async def _read(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if request.url.path.endswith("/history"):
            newest = max((entry["id"] for entry in await self._gate.history()), default=0)
            self._gate.first_read.setdefault(self._writer, newest)
        else:
            self._gate.seen[self._writer] = await self._gate.ticket()
        return response

    async def _write(self, request: httpx2.Request) -> httpx2.Response:
        gate = self._gate
        write = Write(self._writer, gate.rng.choice(FAULTS), await gate.ticket())
        gate.writes.append(write)

        async def carry_out() -> httpx2.Response:
            before = {entry["id"] for entry in await gate.history()}
            response = await self._inner.handle_async_request(request)
            await response.aread()
            write.made = [entry for entry in await gate.history() if entry["id"] not in before]
            return response

        async def later() -> None:
            await carry_out()

        match write.fault:
            case "none":
                return await carry_out()
            case "done_but_500" | "done_but_lost":
                await carry_out()
            case "late":
                gate.late.append(later)
            case "only_500" | "lost":
                pass
        if write.fault in UNSETTLED:
            raise httpx2.ReadError("dropped", request=request)
        return httpx2.Response(500, json={"error": "An error occurred"}, request=request)
