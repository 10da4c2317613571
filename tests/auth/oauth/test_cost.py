"""A call with an access token costs at most a tenth more than the same call with a key."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from starlette.applications import Starlette

from auth.oauth.identities import StoredIdentities
from auth.oauth.key_set import IssuerKeys
from auth.oauth.provider import OAuthProvider
from auth.oauth.resources import ProtectedResources
from auth.oauth.verification import TokenVerifier
from auth.store import IdentityStore
from auth.stored_audit import StoredAuditTrail
from auth.stored_grants import StoredGrants
from auth.stored_keys import StoredKeyAuthProvider
from auth.token_or_key import TokenOrKeyAuthProvider
from tests.auth.authorization_server.tokens.installation import BASE, MARY, SERVED, Installation, add_mary, installed
from tests.auth.conftest import SECRETS
from tests.auth.oauth.issuer import ED, ISSUER, NOW, Issuer, token
from tests.measure_http import ENVELOPE, ROUTING
from tests.transport.dispatch.test_dispatcher import call
from tests.transport.gated_server import gated_server
from transport import asgi_app

CALLS: Final = 1500
MOST: Final = 1.1
MESSAGE: Final = call(1, "echo", text="hello")
BODY: Final = json.dumps(MESSAGE | {"params": MESSAGE["params"] | {"_meta": ENVELOPE}}).encode()


class Caller:
    """Calls a tool of `app` without a client, whose cost would hide that of the server."""

    def __init__(self, app: Starlette, credential: Mapping[str, str]) -> None:
        headers = {
            "host": "tickets.example",
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            "content-length": str(len(BODY)),
            **ROUTING,
            **credential,
        }
        self._app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def call(self) -> int:
        """Make a call; return its status."""
        statuses = list[int]()
        bodies, never = [BODY], asyncio.Event()

        async def receive() -> dict[str, Any]:
            if not bodies:
                await never.wait()  # the client stays
            return {"type": "http.request", "body": bodies.pop(), "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": "/mcp", "raw_path": b"/mcp", "query_string": b"", "root_path": "", "headers": self._headers,
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
        }  # fmt: skip
        await self._app(scope, receive, send)
        return statuses[0]

    async def cost_s(self) -> float:
        """Return the processor time of a call, in seconds."""
        began = time.process_time()
        status = await self.call()
        took = time.process_time() - began
        assert status == 200
        return took


Tokens = tuple[OAuthProvider, str]
Sign = Callable[[Issuer, Installation], Awaitable[Tokens]]


async def of_an_issuer(issuer: Issuer, desktop: Installation) -> Tokens:
    """Return what accepts tokens of an issuer, and one of Mary whose signature takes longest to check."""
    issuer.rotate(ED)
    verifier = TokenVerifier({ISSUER: IssuerKeys(ISSUER, issuer.fetcher())}, clock=lambda: NOW)
    identities = StoredIdentities(desktop.store, {ISSUER: frozenset({"acme"})})
    groups = ["a-group-of-a-typical-length"] * 10
    said = token(ED, "Ed25519", email=MARY, email_verified=True, groups=groups)
    return OAuthProvider(verifier, {ISSUER: identities}, ProtectedResources(BASE)), said


async def of_this_server(_: Issuer, desktop: Installation) -> Tokens:
    """Return what accepts tokens of this server, and one of Mary."""
    verifier = TokenVerifier({BASE: desktop.tokens}, clock=lambda: desktop.store.clock().timestamp())
    provider = OAuthProvider(verifier, {BASE: StoredGrants(desktop.store, SERVED)}, ProtectedResources(BASE))
    return provider, (await desktop.sign_in())["access_token"]


@asynccontextmanager
async def calling(sign: Sign, issuer: Issuer, desktop: Installation) -> AsyncIterator[tuple[Caller, Caller]]:
    """Yield a caller with a key of Mary, and one with a token of hers."""
    key = await desktop.store.keys.create("acme", user=MARY, name="key")
    tokens, said = await sign(issuer, desktop)
    provider = TokenOrKeyAuthProvider(
        tokens, StoredKeyAuthProvider(desktop.store, SECRETS), trail=StoredAuditTrail(desktop.store.audit)
    )
    app = asgi_app(gated_server()[0], auth_provider=provider, allowed_hosts=["tickets.example"])
    async with provider.run(), app.router.lifespan_context(app):
        yield Caller(app, {"x-api-key": key.text}), Caller(app, {"authorization": f"Bearer {said}"})


@pytest.mark.parametrize("sign", [of_an_issuer, of_this_server], ids=["issuer", "this server"])
async def test_a_call_with_a_token_costs_hardly_more_than_one_with_a_key(
    sign: Sign, issuer: Issuer, sqlite_store: IdentityStore
) -> None:
    async with (
        installed(sqlite_store, await add_mary(sqlite_store)) as desktop,
        calling(sign, issuer, desktop) as (by_key, by_token),
    ):
        costs = [(await by_key.cost_s(), await by_token.cost_s()) for _ in range(CALLS)]

    # The least disturbed call of each. A round of many calls is never undisturbed while other programs run.
    key, with_token = (min(one) for one in zip(*costs, strict=True))
    print(f"a call: {key * 1e6:.0f} µs with a key, {with_token * 1e6:.0f} µs with a token")
    assert with_token / key <= MOST
