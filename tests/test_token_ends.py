"""People who signed in meet on every wire what an operator changes, open streams included; tokens end by themselves."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from auth.oauth.verification import TokenVerifier
from auth.store import IdentityStore, open_store
from auth.store.migrate import grant, prepare
from auth.store.peppers import Secrets
from shared.config import ToolSettings
from shared.storage.database import open_engine, resolve_url
from shared.time_zones import utc_now
from tests.auth.conftest import SECRET, SECRETS, Clock
from tests.auth.oauth.signing import PUBLIC, Signer, signing_in
from tests.databases import Postgres, add_filled_tenant
from tests.processes import IDENTITY_KEY, http_door
from tests.transport.serving import serve
from tests.transport.sse_client import SseClient, sse_session
from ticket_api.migrate import migrate as migrate_tickets
from ticket_api.sample import filler
from ticket_service import TicketService
from transport import Transport, TransportOptions

MARY: Final = "mary@acme.example"
RECHECK_S: Final = 0.05
CACHE_S: Final = 0.2
STREAMS: Final = {"accept": "application/json, text/event-stream"}
INITIALIZE: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}},
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@dataclass
class Deployment:
    """A server on which Mary, an agent of acme, signs in; and its identity store, as an operator opens it."""

    door: str
    store: IdentityStore
    issuer: Signer
    clock: Clock

    def headers(self, **claims: Any) -> dict[str, str]:
        """Return what her client sends with a token for both wires."""
        person = {"email": MARY, "email_verified": True, "aud": PUBLIC}
        return STREAMS | {
            "authorization": f"Bearer {self.issuer.token('mary', self.clock().timestamp(), **(person | claims))}"
        }


async def status_of(door: str, headers: dict[str, str]) -> int:
    async with httpx2.AsyncClient(base_url=door, headers=headers) as http:
        return (await http.post("/mcp", json=INITIALIZE)).status_code


async def add_mary(store: IdentityStore) -> None:
    await store.tenants.add("acme")
    await store.users.add(MARY)
    await store.memberships.set(MARY, "acme", role="agent")


@pytest.fixture
async def deployment(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Deployment]:
    monkeypatch.setattr("auth.access.TokenVerifier", partial(TokenVerifier, clock=lambda: clock().timestamp()))
    tickets, url = (f"sqlite:///{(tmp_path / name).as_posix()}" for name in ("tickets.sqlite3", "identity.sqlite3"))
    await add_filled_tenant(tickets, "acme")
    issuer = Signer("https://login.acme.example")
    people = signing_in(url, SECRET, {issuer: frozenset({"acme"})}, cache_s=CACHE_S)
    service = TicketService(ToolSettings(database_url=SecretStr(tickets)), directory=people.directory)
    options = TransportOptions(allowed_hosts=["127.0.0.1"], recheck_s=RECHECK_S)
    transport = Transport(service.server, auth_provider=people.provider, options=options)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[None]:
        async with people.run(), service.run(), transport.run():
            yield

    async with AsyncExitStack() as stack:
        door = await stack.enter_async_context(serve(Starlette(routes=transport.routes, lifespan=lifespan)))
        store = await stack.enter_async_context(open_store(url, SECRETS))
        await add_mary(store)
        yield Deployment(door, store, issuer, clock)


@asynccontextmanager
async def stream_of_mcp(door: str, headers: dict[str, str]) -> AsyncGenerator[asyncio.Event]:
    """Open the stream of a session on /mcp; yield an event that is set when the server ends it."""
    ended = asyncio.Event()
    async with httpx2.AsyncClient(base_url=door, headers=headers, timeout=20) as http:
        opened = await http.post("/mcp", json=INITIALIZE)
        session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        await http.post("/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=session)
        async with http.stream("GET", "/mcp", headers=session) as stream:
            assert stream.status_code == 200

            async def read() -> None:
                async for _ in stream.aiter_raw():
                    pass
                ended.set()

            reading = asyncio.create_task(read())
            yield ended
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


@asynccontextmanager
async def both_streams(
    deployment: Deployment, headers: dict[str, str]
) -> AsyncGenerator[tuple[SseClient, asyncio.Event]]:
    async with sse_session(deployment.door, headers) as sse, stream_of_mcp(deployment.door, headers) as ended:
        yield sse, ended


async def remove_identity(store: IdentityStore) -> None:
    [identity] = await store.identities.all()
    await store.identities.remove(identity.id)


Change = Callable[[IdentityStore], Awaitable[object]]
CHANGES: Final[dict[str, tuple[Change, int]]] = {
    "another role": (lambda store: store.memberships.set(MARY, "acme", role="viewer"), 200),
    "no member": (lambda store: store.memberships.remove(MARY, "acme"), 403),
    "identity removed": (remove_identity, 403),
}


@pytest.mark.parametrize(("change", "then"), CHANGES.values(), ids=CHANGES)
async def test_a_change_ends_the_streams_of_every_wire_and_counts_for_the_next_request(
    change: Change, then: int, deployment: Deployment
) -> None:
    headers = deployment.headers()
    async with both_streams(deployment, headers) as (sse, ended):
        assert "update_ticket" in await tools_of(sse)

        await change(deployment.store)
        async with asyncio.timeout(5):
            await asyncio.gather(sse.ended.wait(), ended.wait())

    assert await status_of(deployment.door, headers) == then
    if then == 200:
        async with sse_session(deployment.door, headers) as again:
            assert "update_ticket" not in await tools_of(again)


async def tools_of(sse: SseClient) -> set[str]:
    return {tool["name"] for tool in (await sse.request("tools/list"))["result"]["tools"]}


async def test_a_stream_outlives_its_token_and_a_request_does_not(deployment: Deployment) -> None:
    """So a client refreshes its token between two requests, and its stream stays."""
    first = deployment.headers()
    async with both_streams(deployment, first) as (sse, ended):
        deployment.clock.go_on(hours=2)

        assert await status_of(deployment.door, first) == 401
        sse.headers |= deployment.headers()
        response = await sse.call("get_statuses")

        assert not response.get("isError")
        assert not sse.ended.is_set()
        assert not ended.is_set()


@asynccontextmanager
async def issuer_over_http() -> AsyncGenerator[Signer]:
    """Serve the documents of an identity provider on this machine."""
    documents: dict[str, Any] = {}

    async def respond(request: Request) -> JSONResponse:
        return JSONResponse(documents[str(request.url)])

    async with serve(Starlette(routes=[Route("/{path:path}", respond)])) as url:
        issuer = Signer(url)
        documents |= issuer.documents
        yield issuer


@pytest.mark.long
async def test_every_instance_refuses_a_removed_member_within_its_time_and_ends_their_streams(
    postgres: Postgres, broker_url: str
) -> None:
    database = await postgres.create(may_use_tables=False)
    async with open_engine(resolve_url(database.owner_url)) as owner:
        await migrate_tickets(owner, fill=filler("en", utc_now), clock=utc_now, grant_to=database.application)
        await prepare(owner)
        await grant(owner, database.application)
    async with AsyncExitStack() as stack:
        issuer = await stack.enter_async_context(issuer_over_http())
        settings = {
            "MCP_DATABASE_URL": database.application_url,
            "MCP_BROKER_URL": broker_url,
            "MCP_IDENTITY_KEYS": IDENTITY_KEY,
            "MCP_MCP_API_KEY": "",
            "MCP_OAUTH_ENABLED": "true",
            "MCP_OAUTH_ISSUER": f"{issuer.url}=acme",
            "MCP_PUBLIC_URL": "http://127.0.0.1:8080",
            "MCP_REVOKE_WITHIN": "1",
        }
        doors = [stack.enter_context(http_door(Path(), **settings))[0] for _ in range(2)]
        store = await stack.enter_async_context(open_store(database.application_url, Secrets([IDENTITY_KEY])))
        await add_mary(store)
        person = {"email": MARY, "email_verified": True, "aud": settings["MCP_PUBLIC_URL"]}
        token = {"authorization": f"Bearer {issuer.token('mary', time.time(), **person)}"} | STREAMS
        streams = [await stack.enter_async_context(sse_session(door, token)) for door in doors]
        assert not [answer for stream in streams if (answer := await stream.call("get_statuses")).get("isError")]

        await store.memberships.remove(MARY, "acme")
        removed_at = time.monotonic()
        async with asyncio.timeout(10):
            await asyncio.gather(*(stream.ended.wait() for stream in streams))
        took = time.monotonic() - removed_at
        statuses = [await status_of(door, token) for door in doors]
    await postgres.drop(database)

    assert took < 3, "a second, plus what a busy machine takes"
    assert statuses == [403, 403]
