"""What clients do at the endpoints of one instance, without a network: everything behind them is real."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import httpx2
from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.applications import Starlette

from auth.authorization_server.limits import RequestLimits
from auth.authorization_server.tokens import AccessTokens, KeyRing, TokenEndpoint
from auth.authorization_server.tokens.access_tokens import ALGORITHM
from auth.oauth.metadata import open_route
from auth.oauth.resources import ProtectedResources
from auth.store import IdentityStore
from auth.store.authorization.records import Authorization, Served
from shared.identity import Scope

BASE: Final = "https://tickets.example"
MCP: Final = f"{BASE}/mcp"
DESKTOP: Final = "https://desktop.example/client.json"
"""The id of a client with a metadata document."""
REDIRECT: Final = "http://127.0.0.1:33418/callback"
VERIFIER: Final = "a-verifier-of-forty-three-characters-or-more"
MARY: Final = "mary@acme.example"
HOSTED: Final = "160.79.104.0/21"
SERVED: Final = Served(issuer="https://accounts.google.com")
BOTH: Final = frozenset({Scope.TICKETS_READ, Scope.TICKETS_WRITE})

Answer = Mapping[str, Any]


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")


async def add_mary(store: IdentityStore) -> Authorization:
    """Add Mary, an agent of acme who signs in with Google; return what she allows a client."""
    await store.tenants.add("acme")
    await store.users.add(MARY)
    member = await store.memberships.set(MARY, "acme", role="agent", ticket_user="user1")
    identity = await store.identities.add(issuer=SERVED.issuer, subject="1", user=MARY)
    await store.oauth_clients.put(DESKTOP, {"redirect_uris": [REDIRECT]})
    return Authorization(
        user=identity.owner,
        identity=identity.id,
        tenant=member.tenant,
        client_id=DESKTOP,
        redirect_uri=REDIRECT,
        resource=MCP,
        scopes=BOTH,
    )


@dataclass
class Installation:
    """An instance, and the installation of a client on Mary's machine."""

    store: IdentityStore
    tokens: AccessTokens
    http: httpx2.AsyncClient
    allowed: Authorization

    async def code(self, allowed: Authorization | None = None) -> str:
        return await self.store.codes.issue(allowed or self.allowed, code_challenge=challenge_of(VERIFIER))

    async def post(self, path: str, **form: object) -> httpx2.Response:
        """Send a form; what is set to ... is left out."""
        sent = {name: str(value) for name, value in form.items() if value is not ...}
        return await self.http.post(path, data=sent)

    async def redeem(self, code: object, **changes: object) -> httpx2.Response:
        usual: dict[str, object] = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": DESKTOP,
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
        }
        return await self.post("/token", **(usual | changes))

    async def refresh(self, token: object, **changes: object) -> httpx2.Response:
        usual: dict[str, object] = {"grant_type": "refresh_token", "refresh_token": token, "client_id": DESKTOP}
        return await self.post("/token", **(usual | changes))

    async def revoke(self, token: object, **changes: object) -> httpx2.Response:
        usual = {"token": token, "client_id": DESKTOP}
        return await self.post("/revoke", **(usual | changes))

    async def sign_in(self, allowed: Authorization | None = None, **changes: object) -> Answer:
        """Return the tokens of a new code."""
        response = await self.redeem(await self.code(allowed), **changes)
        assert response.status_code == 200, response.text
        return answer(response)

    async def claims(self, access_token: str) -> Mapping[str, Any]:
        """Return what an access token says, checked with the public keys."""
        keys = KeySet.import_key_set((await self.http.get("/jwks")).json())
        return jwt.decode(access_token, keys, algorithms=[ALGORITHM]).claims

    async def is_over(self, grant: str) -> bool:
        live = await self.store.grants.live(grant)
        return live is None or not live.is_on


def answer(response: httpx2.Response) -> Answer:
    body: Answer = response.json()
    return body


def refused(response: httpx2.Response) -> tuple[int, str]:
    """Return the status and the error of a refusal, whose sentence has only characters that may stand there."""
    said = answer(response)
    assert set(said) == {"error", "error_description"}
    assert said["error_description"].isascii()
    assert not set('"\\') & set(said["error_description"])
    assert response.headers["cache-control"] == "no-store"
    return response.status_code, said["error"]


@asynccontextmanager
async def installed(
    store: IdentityStore, allowed: Authorization, *, address: str = "203.0.113.1", served: Served = SERVED
) -> AsyncIterator[Installation]:
    """Run an instance over `store`, whose limits know no time, and yield a client at an address."""
    tokens = AccessTokens(BASE, KeyRing(store.signing_keys, clock=store.clock), clock=store.clock)
    limits = RequestLimits([HOSTED], seconds=lambda: 0.0)
    endpoint = TokenEndpoint(store, tokens, ProtectedResources(BASE), limits, served)
    app = Starlette(
        routes=[
            open_route("/token", endpoint.token, "POST"),
            open_route("/revoke", endpoint.revoke, "POST"),
            open_route("/jwks", endpoint.jwks),
        ]
    )
    transport = httpx2.ASGITransport(app=app, client=(address, 50_000))
    async with tokens.run(), httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
        yield Installation(store, tokens, http, allowed)
