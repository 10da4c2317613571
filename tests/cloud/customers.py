"""Three people at work during the whole rehearsal, each on the Python SDK over another wire.

A customer creates a ticket, reads it, and begins again. What fails is tried again with the same key, in a new session,
until it succeeds: so a call is lost only when no try succeeds within PATIENCE_S.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from tests.shared.given import TICKET

WIRES: Final = ("sse", "session", "stateless")
PATIENCE_S: Final = 45.0
TRY_S: Final = 8.0
"""Seconds for one try: longer than a call may take at the ticket API."""
BETWEEN_S: Final = 1.0
AGAIN_S: Final = 0.2


@dataclass
class Done:
    """One call that succeeded or was given up."""

    tool: str
    tries: int
    seconds: float
    ok: bool
    said: str = ""
    """What failed last."""


@dataclass
class Customer:
    """One person with an assistant."""

    name: str
    wire: str
    address: str
    key: str
    done: list[Done] = field(default_factory=list)
    created: dict[str, str] = field(default_factory=dict)
    """The summary of each ticket, by its id."""
    wrong: list[str] = field(default_factory=list)
    """Results that were not those of the call."""
    sessions: int = 0
    """Opened so far."""

    def __post_init__(self) -> None:
        self._stack = AsyncExitStack()
        self._client: Client | None = None
        self._may_go_on = asyncio.Event()
        self._may_go_on.set()
        self._rests = asyncio.Event()
        self._news = asyncio.Condition()
        self._starts_anew = False

    async def work(self) -> None:
        """Make calls until cancelled."""
        try:
            for number in itertools.count():
                await self._rest()
                await self._one_ticket(f"{self.name}-{number:04}")
                await asyncio.sleep(BETWEEN_S)
        finally:
            await self._leave()

    async def pause(self) -> None:
        """Return when the customer makes no calls any more."""
        self._may_go_on.clear()
        await self._rests.wait()

    def go_on(self) -> None:
        """End the pause."""
        self._may_go_on.set()

    async def change_key(self, key: str) -> None:
        """Go on with another key in a new session, as a person does who was given one."""
        await self.pause()
        self.key = key
        self._starts_anew = True
        self.go_on()

    async def until_done(self, calls: int) -> None:
        """Wait until the customer has made so many calls in all."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.done) >= calls)

    async def _rest(self) -> None:
        if not self._may_go_on.is_set():
            self._rests.set()
            await self._may_go_on.wait()
            self._rests.clear()
        if self._starts_anew:
            self._starts_anew = False
            await self._leave()

    async def _one_ticket(self, summary: str) -> None:
        made = await self._call("create_ticket", TICKET | {"summary": summary, "idempotencyKey": summary})
        ticket_id = str(made.get("ticketId", ""))
        if not ticket_id:
            return
        self.created[ticket_id] = summary
        read = await self._call("get_ticket_detail", {"ticketId": ticket_id})
        if read and summary not in str(read):
            self.wrong.append(f"{ticket_id} is not “{summary}”")

    async def _call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the structured result of a call, after as many tries as it takes; empty if it was given up."""
        began, said = time.monotonic(), ""
        for tries in itertools.count(1):
            try:
                async with asyncio.timeout(TRY_S):
                    client = self._client or await self._connect()
                    result = await client.call_tool(tool, arguments)
                if not result.is_error:
                    await self._note(Done(tool, tries, time.monotonic() - began, ok=True, said=said))
                    return dict(result.structured_content or {})
                said = str((result.structured_content or {}).get("error", result.content))
            except Exception as error:  # noqa: BLE001 - whatever the SDK throws is a failed try
                said = _first(error)
                await self._leave()
            if time.monotonic() - began > PATIENCE_S:
                await self._note(Done(tool, tries, time.monotonic() - began, ok=False, said=said))
                break
            await asyncio.sleep(AGAIN_S)
        return {}

    async def _note(self, done: Done) -> None:
        async with self._news:
            self.done.append(done)
            self._news.notify_all()

    async def _connect(self) -> Client:
        self.sessions += 1
        headers = {"x-api-key": self.key}
        if self.wire == "sse":
            transport: Any = sse_client(f"{self.address}/sse", headers=headers)
        else:
            http = await self._stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=TRY_S))
            transport = streamable_http_client(f"{self.address}/mcp", http_client=http)
        mode = "2026-07-28" if self.wire == "stateless" else "legacy"
        self._client = await self._stack.enter_async_context(Client(transport, mode=mode))
        return self._client

    async def _leave(self) -> None:
        self._client = None
        stack, self._stack = self._stack, AsyncExitStack()
        with contextlib.suppress(Exception):  # what ended the session was noted with the call
            async with asyncio.timeout(TRY_S):
                await stack.aclose()


@asynccontextmanager
async def customers(address: str, key: str) -> AsyncGenerator[list[Customer]]:
    """Let them work; at the end of the block they stop."""
    people = [Customer(f"customer-{wire}", wire, address, key) for wire in WIRES]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.work()) for one in people]
        try:
            yield people
        finally:
            for task in tasks:
                task.cancel()


def lost(people: list[Customer]) -> list[str]:
    """Return a sentence for each call that was given up or got another call's result."""
    given_up = [
        f"{one.name}: {done.tool} after {done.tries} tries in {done.seconds:.0f} s: {done.said}"
        for one in people
        for done in one.done
        if not done.ok
    ]
    return given_up + [f"{one.name}: {sentence}" for one in people for sentence in one.wrong]


def _first(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
