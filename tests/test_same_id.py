"""Clients that send `"id": 1` with every request (claude.ai's connector does): started servers, one or two instances.

Cases C1 and C2: each request has its own response, reads are fresh, and each write is carried out. At the end, all
reported habits of the connector at once: also no session id (C3), a joined version (C5), a one-sided `Accept` (C7) and
a slash at the end (C8).
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import httpx2
import pytest
import pytest_asyncio

import ticket_api
from tests.processes import API_KEY, HTTP_DOOR, KEY, Process
from tests.shared.given import TICKET
from tests.transport.http_client import HttpClient, HTTPResponse, Message, call, http_client, opening, text_of
from tests.transport.serving import serve
from tests.transport.sse_client import SseClient, sse_session
from tests.valkey import valkey_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

ME: Final = {"x-api-key": KEY}
TICKETS: Final = 20
MANY = pytest.mark.parametrize("pairs", [10, pytest.param(500, marks=pytest.mark.long)])
"""Pairs of a write and a read."""
ROUNDS: Final = pytest.mark.parametrize("rounds", [2, pytest.param(50, marks=pytest.mark.long)])
CONNECTOR: Final = ME | {"mcp-protocol-version": "2025-11-25, 2025-11-25"}
ONE_SIDED: Final = ("application/json", "text/event-stream")
Ask = Callable[[Message], Awaitable[Message]]
"""Sends a request and returns its response."""


class Api:
    """The reference ticket API; reads of the tickets in `held` wait until their event is set."""

    def __init__(self, app: Any) -> None:
        self.address = ""
        self.http = httpx2.AsyncClient(headers={"x-api-key": API_KEY}, timeout=20)
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
        return [row["comment"] for row in await self._get(f"/tickets/{ticket}/history")]

    async def summaries(self, words: str) -> list[str]:
        """Return the summaries of all tickets that contain `words`."""
        return [row["summary"] for row in await self._get("/tickets", searchQuery=words)]

    async def _get(self, path: str, **query: Any) -> Any:
        return (await self.http.get(f"{self.address}{path}", params=query)).raise_for_status().json()


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
        await stack.enter_async_context(api.http)
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


def new_word() -> str:
    """Return a word that no other ticket has in any of its texts or ids, for a search that must find nothing else."""
    return f"q{next(_numbers):04}x".translate(str.maketrans("0123456789", "bcdfghjklm"))


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
            for answer in cut:
                await answer.until(lambda: answer.primed)  # noqa: B023 - awaited here
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


async def responded(client: SseClient, http: httpx2.AsyncClient, message: Message) -> Message:
    """Post a request to one of the instances, and return its response on the stream."""
    client.received.clear()
    assert (await http.post(client.endpoint, json=message)).status_code == 202
    return await client.response(1)


async def everything_is_stored_once(api: Api, tickets: Sequence[str], pairs: int) -> None:
    for position, ticket in enumerate(tickets):
        words = [f"Words {number}." for number in range(position, pairs, TICKETS)]
        assert sorted(await api.comments(ticket)) == sorted(words)


# --------------------------------------------------------------------- all habits of the connector


@ROUNDS
async def test_the_connector_on_mcp_three_at_once_reads_fresh_and_writes_once(here: Here, rounds: int) -> None:
    addresses = itertools.cycle(here.instances)

    async def work(who: str) -> None:
        async with http_client(here.instances[0], CONNECTOR, None) as client:
            accepted = itertools.cycle(ONE_SIDED)

            async def ask(message: Message) -> Message:
                response = await client.at(next(addresses)).post(message, "/mcp/", accept=next(accepted))
                assert response.status == 200, response.received
                (answer,) = response.received
                return answer

            opened = await ask(opening() | {"id": 1})
            assert opened["result"]["protocolVersion"] == "2025-11-25"
            started = await client.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, "/mcp/")
            assert started.status == 202
            for _ in range(rounds):
                await read_and_write(ask, here.api, f"{who} {new_word()}")

    async with asyncio.TaskGroup() as tasks:
        for who in ("Anna", "Bela", "Cleo"):
            tasks.create_task(work(who))


@ROUNDS
async def test_the_connector_over_sse_one_at_a_time_reads_fresh_and_writes_once(here: Here, rounds: int) -> None:
    async with httpx2.AsyncClient(base_url=here.instances[0], headers=ME, timeout=20) as http:
        client = SseClient(http, ME)
        async with http.stream("GET", "/sse/", headers={"accept": ONE_SIDED[1]}) as stream:
            reading = asyncio.create_task(client.read(stream))
            await client.until(lambda: client.endpoint)
            client.endpoint = client.endpoint.replace("?", "/?")
            http.headers.update(CONNECTOR | {"accept": ONE_SIDED[0]})  # only now it has negotiated a revision

            async def ask(message: Message) -> Message:
                return await responded(client, http, message)

            await ask(opening() | {"id": 1})
            for _ in range(rounds):
                await read_and_write(ask, here.api, f"Dora {new_word()}")
            reading.cancel()


async def read_and_write(ask: Ask, api: Api, words: str) -> None:
    """List, create, list again, comment and read back: each read is fresh, and each write is stored once."""
    tools = await ask({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert len(tools["result"]["tools"]) == 16
    search = one("get_ticket_list", searchQuery=words)
    assert "No tickets match" in text_of(await ask(search))
    made = await ask(one("create_ticket", **TICKET | {"summary": words}))
    ticket = made["result"]["structuredContent"]["ticketId"]
    assert ticket in text_of(await ask(search))
    comment = f"Words on {words}."
    added = await ask(one("add_ticket_history", ticketId=ticket, userId="user2", comment=comment))
    assert text_of(added).startswith("Added a comment")
    assert comment in text_of(await ask(one("get_ticket_detail", ticketId=ticket)))
    assert (await api.summaries(words), await api.comments(ticket)) == ([words], [comment])
