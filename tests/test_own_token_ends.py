"""People who signed in at this server itself meet on every wire what an operator changes, open streams included."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from auth.access import IdentityService, SignIn
from auth.authorization_server.server import AuthorizationServerOptions
from auth.store import IdentityStore, open_store
from shared.config import ToolSettings
from tests.auth.authorization_server.tokens.installation import (
    BASE,
    DESKTOP,
    MARY,
    REDIRECT,
    VERIFIER,
    Answer,
    add_mary,
    challenge_of,
)
from tests.auth.conftest import SECRET, SECRETS
from tests.databases import add_filled_tenant
from tests.test_token_ends import CACHE_S, RECHECK_S, STREAMS, Change, status_of, stream_of_mcp
from tests.transport.serving import serve
from tests.transport.sse_client import sse_session
from ticket_service import TicketService
from transport import Transport, TransportOptions


class OwnDoor:
    """A server that issues tokens, and its identity store, as an operator opens it."""

    def __init__(self, url: str, store: IdentityStore, http: httpx2.AsyncClient) -> None:
        self.url = url
        self.store = store
        self._http = http

    async def tokens(self, **form: str) -> httpx2.Response:
        return await self._http.post("/token", data={"client_id": DESKTOP, **form})

    async def sign_in(self, code: str) -> Answer:
        response = await self.tokens(
            grant_type="authorization_code", code=code, redirect_uri=REDIRECT, code_verifier=VERIFIER
        )
        answer: Answer = response.json()
        return answer


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[OwnDoor]:
    tickets, url = (f"sqlite:///{(tmp_path / name).as_posix()}" for name in ("tickets.sqlite3", "identity.sqlite3"))
    await add_filled_tenant(tickets, "acme")
    server = AuthorizationServerOptions(public_url=BASE, client_id="ours", client_secret="a-secret-at-the-provider")
    sign_in = SignIn(issuers={BASE: frozenset()}, public_url=BASE, server=server)
    people = IdentityService(url, [SECRET], cache_s=CACHE_S, sign_in=sign_in)
    service = TicketService(ToolSettings(database_url=SecretStr(tickets)), directory=people.directory)
    options = TransportOptions(allowed_hosts=["127.0.0.1"], recheck_s=RECHECK_S)
    transport = Transport(service.server, auth_provider=people.provider, options=options)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[None]:
        async with people.run(), service.run(), transport.run():
            yield

    async with AsyncExitStack() as stack:
        app = Starlette(routes=[*transport.routes, *people.routes], lifespan=lifespan)
        address = await stack.enter_async_context(serve(app))
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=address))
        yield OwnDoor(address, await stack.enter_async_context(open_store(url, SECRETS)), http)


CHANGES: Final[dict[str, tuple[Change, int, int]]] = {
    "another role": (lambda store: store.memberships.set(MARY, "acme", role="viewer"), 200, 200),
    "no member": (lambda store: store.memberships.remove(MARY, "acme"), 401, 400),
    "revoked": (lambda store: store.grants.revoke_all(user=MARY, because="operator"), 401, 400),
}


@pytest.mark.parametrize(("change", "then", "at_once"), CHANGES.values(), ids=CHANGES)
async def test_a_change_ends_refresh_at_once_and_calls_and_streams_soon(
    change: Change, then: int, at_once: int, door: OwnDoor
) -> None:
    allowed = replace(await add_mary(door.store), resource=BASE)
    tokens = await door.sign_in(await door.store.codes.issue(allowed, code_challenge=challenge_of(VERIFIER)))
    headers = STREAMS | {"authorization": f"Bearer {tokens['access_token']}"}
    async with sse_session(door.url, headers) as sse, stream_of_mcp(door.url, headers) as ended:
        await change(door.store)
        refreshed = await door.tokens(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        assert refreshed.status_code == at_once
        async with asyncio.timeout(30):
            await asyncio.gather(sse.ended.wait(), ended.wait())

    assert await status_of(door.url, headers) == then
