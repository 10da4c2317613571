"""Clients that send `"id": 1` with every request (claude.ai's connector does): started servers, one or two instances.

Case C1 and C2: each request has its own response, reads are fresh, and each write is carried out.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import httpx2
import pytest
import pytest_asyncio

import ticket_api
from tests.processes import API_KEY, HTTP_DOOR, KEY, Process
from tests.shared.given import TICKET
from tests.transport.http_client import HttpClient, HTTPResponse, call, http_client, text_of
from tests.transport.serving import serve
from tests.transport.sse_client import SseClient, sse_session
from tests.valkey import valkey_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

ME: Final = {"x-api-key": KEY}
TICKETS: Final = 20
MANY = pytest.mark.parametrize("pairs", [50, pytest.param(500, marks=pytest.mark.long)])
"""Pairs of a write and a read."""


class Api:
    """The reference ticket API; reads of the tickets in `held` wait until their event is set."""

    def __init__(self, app: Any) -> None:
        self.address = ""
        self.held: dict[str, asyncio.Event] = {}
        self.waiting: dict[str, asyncio.Event] = {}
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        ticket = scope["path"].rpartition("/")[2] if scope["type"] == "http" else ""
        if ticket in self.held:
            self.waiting[ticket].set()
            await self.held[ticket].wait()
        await self._app(scope, receive, send)

    def hold(self, *tickets: str) -> None:
        """Hold reads of these tickets from now on."""
        self.held = {ticket: asyncio.Event() for ticket in tickets}
        self.waiting = {ticket: asyncio.Event() for ticket in tickets}

    async def comments(self, ticket: str) -> list[str]:
        """Return the comments of a ticket."""
        async with httpx2.AsyncClient(base_url=self.address, headers={"x-api-key": API_KEY}, timeout=20) as http:
            history = await http.get(f"/tickets/{ticket}/history")
        return [row["comment"] for row in history.json()]


class Here:
    """The ticket API, and the addresses of the instances."""

    def __init__(self, api: Api, instances: Sequence[str]) -> None:
        self.api = api
        self.instances = instances

    @property
    def elsewhere(self) -> str:
        """Another instance, if there is one."""
        return self.instances[-1]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[1, 2], ids=["one instance", "two instances"])
async def here(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Here]:
    folder = tmp_path_factory.mktemp("same-id")
    async with started(folder, request.param) as running:
        yield running


@asynccontextmanager
async def started(folder: Any, instances: int) -> AsyncGenerator[Here]:
    async with AsyncExitStack() as stack:
        app = ticket_api.create_app(database_url=f"sqlite+aiosqlite:///{folder / 'tickets.sqlite3'}")
        await stack.enter_async_context(app.router.lifespan_context(app))
        api = Api(app)
        api.address = await stack.enter_async_context(serve(api))
        settings = {"PORT": "0", "MCP_API_BASE_URL": api.address, "MCP_API_KEY": API_KEY, "MCP_MCP_API_KEY": KEY}
        settings |= {
            f"MCP_{whose}{what}_PER_MINUTE": "60000" for whose in ("", "TENANT_") for what in ("READS", "WRITES")
        }
        if instances > 1:
            settings["MCP_BROKER_URL"] = stack.enter_context(valkey_server()).url
        processes = [stack.enter_context(Process(HTTP_DOOR, **settings)) for _ in range(instances)]
        yield Here(api, await asyncio.gather(*(asyncio.to_thread(one.wait_until_ready) for one in processes)))


def one(tool: str, **arguments: Any) -> dict[str, Any]:
    """Return a call with the id that all have."""
    return call(1, tool, **arguments)


async def created(client: HttpClient, number: int) -> list[str]:
    """Create tickets, and return their ids."""
    tickets = []
    for summary in (f"One id: ticket {next(_numbers)}." for _ in range(number)):
        response = await client.post(one("create_ticket", **TICKET | {"summary": summary}))
        tickets.append(response.responses(1)[0]["result"]["structuredContent"]["ticketId"])
    return tickets


_numbers = itertools.count(1)


async def test_three_posts_with_one_id_each_get_their_response_and_are_resumed_after_a_cut(here: Here) -> None:
    async with http_client(here.instances[0], ME) as client:
        tickets = await created(client, 3)
        here.api.hold(*tickets)
        async with AsyncExitStack() as stack:
            cut: list[HTTPResponse] = []
            for ticket, address in zip(tickets, itertools.cycle(here.instances), strict=False):
                posting = client.at(address).stream(one("get_ticket_detail", ticketId=ticket))
                cut.append(await stack.enter_async_context(posting))
                await asyncio.wait_for(here.api.waiting[ticket].wait(), 10)
        for ticket in reversed(tickets):  # the first is the slowest
            here.api.held[ticket].set()
        for ticket, answer in zip(tickets, cut, strict=True):
            rest = await client.at(here.elsewhere).get(answer.primed[0])
            (response,) = rest.responses(1)
            assert response["result"]["structuredContent"]["ticket"]["id"] == ticket


@MANY
async def test_requests_one_after_the_other_over_streamable_http_read_fresh_and_write_once(
    here: Here, pairs: int
) -> None:
    async with http_client(here.instances[0], ME) as client:
        tickets = await created(client, TICKETS)
        clients = itertools.cycle(client.at(address) for address in here.instances)
        for number in range(pairs):
            ticket = tickets[number % TICKETS]
            comment = {"ticketId": ticket, "userId": "user2", "comment": f"Words {number}."}
            written = await next(clients).post(one("add_ticket_history", **comment))
            assert text_of(written.responses(1)[0]).startswith("Added a comment")
            read = await next(clients).post(one("get_ticket_detail", ticketId=ticket))
            assert comment["comment"] in text_of(read.responses(1)[0])
        await everything_is_stored_once(here.api, tickets, pairs)


@MANY
async def test_requests_one_after_the_other_over_sse_read_fresh_and_write_once(here: Here, pairs: int) -> None:
    async with http_client(here.instances[0], ME) as creating, sse_session(here.instances[0], ME) as client:
        tickets = await created(creating, TICKETS)
        async with AsyncExitStack() as stack:
            posts = [
                await stack.enter_async_context(httpx2.AsyncClient(base_url=address, headers=ME, timeout=20))
                for address in here.instances
            ]
            client.http = posts[0]
            turns = itertools.cycle(posts)
            for number in range(pairs):
                ticket = tickets[number % TICKETS]
                comment = {"ticketId": ticket, "userId": "user2", "comment": f"Words {number}."}
                written = await responded(client, next(turns), one("add_ticket_history", **comment))
                assert text_of(written).startswith("Added a comment")
                read = await responded(client, next(turns), one("get_ticket_detail", ticketId=ticket))
                assert comment["comment"] in text_of(read)
        await everything_is_stored_once(here.api, tickets, pairs)


async def responded(client: SseClient, http: httpx2.AsyncClient, message: dict[str, Any]) -> dict[str, Any]:
    """Post a request to one of the instances, and return its response on the stream."""
    client.received.clear()
    assert (await http.post(client.endpoint, json=message)).status_code == 202
    return await client.response(1)


async def everything_is_stored_once(api: Api, tickets: Sequence[str], pairs: int) -> None:
    for position, ticket in enumerate(tickets):
        words = [f"Words {number}." for number in range(position, pairs, TICKETS)]
        assert sorted(await api.comments(ticket)) == sorted(words)
