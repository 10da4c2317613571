"""Writes repeated at another instance: two server processes, one Valkey, one ticket API with faults."""

import asyncio
import itertools
import re
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import httpx2
import pytest
import pytest_asyncio
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult
from starlette.types import ASGIApp, Receive, Scope, Send

import ticket_api
from tests import standin
from tests.kills import kills
from tests.processes import API_KEY, HTTP_DOOR, KEY, Process
from tests.shared.given import TICKET, text_of
from tests.transport.serving import serve
from tests.valkey import ValkeyServer, valkey_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

Fault = Literal["refuses", "fails", "stores and fails", "drops", "stores and drops"]

_numbers: Final = itertools.count(1)
PATIENCE_S: Final = 30.0
PATIENT_DOOR: Final = (
    "-c",
    "import runpy; from shared.writes import repeats; from transport.sessions.valkey import recent_writes; "
    f"recent_writes.ASK_S = repeats.SETTLE_S = {PATIENCE_S}; runpy.run_path({HTTP_DOOR[0]!r}, run_name='__main__')",
)
"""The HTTP server, which waits longer for Valkey: after a second it would go on alone, which is right, but not here."""


def new_ticket() -> dict[str, Any]:
    """Return a ticket that no other test creates."""
    return TICKET | {"summary": f"Two instances: ticket {next(_numbers)}."}


@dataclass
class Api:
    """A ticket API that applies the test's list of faults to its next writes; one write may be held for a while."""

    app: ASGIApp
    address: str = ""
    faults: list[Fault] = field(default_factory=list)
    gates: list[asyncio.Event] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    posts: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        self.posts += 1
        fault = self.faults.pop(0) if self.faults else None
        body = await receive()
        if fault is not None and fault.startswith("stores"):
            await self.app(scope, _again(body), _nowhere)
        self.came.set()
        if self.gates:
            await self.gates.pop().wait()
        if fault is None:
            await self.app(scope, _again(body), send)
        else:
            await _fail(send, fault)

    def hold(self, fault: Fault) -> asyncio.Event:
        """Hold the next write, to which `fault` applies, until the event is set."""
        self.came.clear()
        self.faults, self.gates = [fault], [asyncio.Event()]
        return self.gates[0]

    async def tickets(self, summary: str) -> int:
        """Return the number of tickets with this summary."""
        async with httpx2.AsyncClient(base_url=self.address, headers={"x-api-key": API_KEY}, timeout=20) as http:
            found = await http.get("/tickets", params={"searchQuery": summary, "showCompleted": "true"})
        return sum(row["summary"] == summary for row in found.json())


def _again(body: Any) -> Receive:
    async def receive() -> Any:
        return body

    return receive


async def _nowhere(_: Any) -> None:
    """Discard a response that is to be lost."""


async def _fail(send: Send, fault: Fault) -> None:
    body = b'{"error": "An error occurred while creating ticket"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 400 if fault == "refuses" else 500, "headers": headers})
    if not fault.endswith("drops"):  # otherwise the connection ends in the middle of the response
        await send({"type": "http.response.body", "body": body})


class Door:
    """One instance, which can be ended and started again."""

    def __init__(self, api: Api, valkey: ValkeyServer) -> None:
        self._settings = {
            "PORT": "0",
            "MCP_API_BASE_URL": api.address,
            "MCP_API_KEY": API_KEY,
            "MCP_MCP_API_KEY": KEY,
            "MCP_BROKER_URL": valkey.url,
        }
        self.process: Process
        self._address = ""

    async def start(self) -> None:
        self.process = Process(PATIENT_DOOR, **self._settings)
        self._address = await asyncio.to_thread(self.process.wait_until_ready)

    async def end(self) -> None:
        await asyncio.to_thread(self.process.__exit__, None, None, None)

    async def call(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        async with (
            httpx2.AsyncClient(headers={"x-api-key": KEY}, timeout=PATIENCE_S) as http,
            Client(streamable_http_client(f"{self._address}/mcp", http_client=http)) as client,
        ):
            return await client.call_tool(tool, arguments)

    async def create(self, ticket: dict[str, Any]) -> CallToolResult:
        return await self.call("create_ticket", ticket)


@dataclass
class Fleet:
    api: Api
    valkey: ValkeyServer
    one: Door
    other: Door


@asynccontextmanager
async def fleet(kind: str, folder: Any) -> AsyncGenerator[Fleet]:
    async with AsyncExitStack() as stack:
        app: ASGIApp = standin.create_app(api_key=API_KEY)
        if kind == "reference":
            reference = ticket_api.create_app(database_url=f"sqlite+aiosqlite:///{folder / 'tickets.sqlite3'}")
            await stack.enter_async_context(reference.router.lifespan_context(reference))
            app = reference
        api = Api(app)
        api.address = await stack.enter_async_context(serve(api))
        valkey = stack.enter_context(valkey_server())
        doors = [Door(api, valkey) for _ in range(2)]
        for door in doors:
            stack.push_async_callback(door.end)
        await asyncio.gather(*(door.start() for door in doors))
        yield Fleet(api, valkey, *doors)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["existing", "reference"])
async def here(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Fleet]:
    async with fleet(request.param, tmp_path_factory.mktemp("repeats")) as running:
        yield running


def said(result: CallToolResult) -> str:
    """Return the first line of a result."""
    return text_of(result).partition("\n")[0]


@kills("cloud_mcp_server.py", "return shared, shared.recent_writes", "return shared, None")
async def test_what_one_instance_did_is_not_done_again_by_another(here: Fleet) -> None:
    ticket = new_ticket()
    first = await here.one.create(ticket)
    again = [await door.create(ticket) for door in (here.other, here.one)]

    made = re.fullmatch(r"Created ticket (TCK-\d+)\.", said(first))
    assert made is not None
    for result in again:
        assert re.fullmatch(
            rf"Already created \d+ s ago as {made[1]}; allowDuplicate: true makes another\.", said(result)
        )
    assert await here.api.tickets(ticket["summary"]) == 1

    comment = {"ticketId": made[1], "userId": "user1", "comment": "Once.", "idempotencyKey": "k-1"}
    await here.one.call("add_ticket_history", comment)
    keyed = await here.other.call("add_ticket_history", comment)
    conflict = await here.other.call("add_ticket_history", comment | {"comment": "Twice."})
    assert re.match(rf"Already added \d+ s ago to {made[1]}, with this idempotencyKey; ", said(keyed))
    assert conflict.is_error
    assert "already used with other arguments. Nothing was changed" in text_of(conflict)


async def test_what_changed_nothing_is_done_by_the_instance_that_waits(here: Fleet) -> None:
    ticket, before = new_ticket(), here.api.posts
    gate = here.api.hold("refuses")
    first = asyncio.create_task(here.one.create(ticket))
    await here.api.came.wait()
    second = asyncio.create_task(here.other.create(ticket))
    await asyncio.wait([second], timeout=0.3)
    assert here.api.posts == before + 1
    gate.set()

    assert "Nothing was changed" in text_of(await first)
    assert said(await second).startswith("Created ticket TCK-")
    assert await here.api.tickets(ticket["summary"]) == 1


@pytest.mark.parametrize(
    ("fault", "first_line"),
    [
        ("fails", "Created ticket TCK-"),
        ("stores and fails", "Already created "),
        ("stores and drops", "Already created "),
        pytest.param("drops", "Created ticket TCK-", marks=pytest.mark.long),
    ],
)
async def test_after_a_doubt_another_instance_looks_first(here: Fleet, fault: Fault, first_line: str) -> None:
    ticket = new_ticket()
    here.api.faults = [fault]
    doubt = await here.one.create(ticket)
    assert doubt.is_error
    assert "It may have been changed" in text_of(doubt)

    second = await here.other.create(ticket)

    assert said(second).startswith(first_line)
    assert ("as far as can be seen" in said(second)) is fault.startswith("stores")
    assert said(await here.one.create(ticket)).startswith("Already created ")
    assert await here.api.tickets(ticket["summary"]) == 1


async def test_of_equal_calls_at_once_at_two_instances_one_is_done(here: Fleet) -> None:
    ticket, before = new_ticket(), here.api.posts

    done = await asyncio.gather(*(door.create(ticket) for door in (here.one, here.other, here.one)))

    assert sorted(said(one).partition(" ")[0] for one in done) == ["Already", "Already", "Created"]
    assert here.api.posts == before + 1


async def test_an_instance_that_was_started_again_knows_what_was_done(here: Fleet) -> None:
    ticket = new_ticket()
    await here.one.create(ticket)
    await here.one.end()
    await here.one.start()

    assert said(await here.one.create(ticket)).startswith("Already created ")


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "first_line"), [("stores and drops", "Already created "), ("drops", "Created ticket ")]
)
async def test_a_write_of_an_instance_that_died_is_looked_at_once_its_lease_is_over(
    here: Fleet, fault: Fault, first_line: str
) -> None:
    ticket = new_ticket()
    gate = here.api.hold(fault)
    first = asyncio.create_task(here.one.create(ticket))
    await here.api.came.wait()
    here.one.process.send(signal.SIGKILL)
    await asyncio.gather(first, return_exceptions=True)

    second = await here.other.create(ticket)

    gate.set()
    await here.one.end()
    await here.one.start()
    assert said(second).startswith(first_line)
    assert said(await here.one.create(ticket)).startswith("Already created ")
    assert await here.api.tickets(ticket["summary"]) == 1


async def test_while_valkey_is_away_writes_go_on_and_are_known_where_they_were_made(here: Fleet) -> None:
    ticket = new_ticket()
    here.valkey.kill()
    try:
        lines = [said(await here.one.create(ticket)) for _ in range(2)]
    finally:
        here.valkey.start()

    assert [line.partition(" ")[0] for line in lines] == ["Created", "Already"]
