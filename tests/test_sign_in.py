"""A server with sign-in: its documents, its challenges, and calls with access tokens of an identity provider."""

import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import pytest_asyncio
from pydantic import AnyHttpUrl, SecretStr

from auth.oauth.metadata import WELL_KNOWN
from auth.store import open_store
from auth.store.peppers import Secrets
from cloud_mcp_server import SIGN_IN_ELSEWHERE, CloudMCPServer
from shared.config import CloudSettings
from shared.config.greeting import greeting, who_may_call
from tests.auth.oauth.signing import Signer
from tests.databases import add_filled_tenant
from tests.processes import HTTP_DOOR, IDENTITY_KEY, KEY, Process, http_door, sqlite
from tests.test_identity import beside
from tests.test_token_ends import issuer_over_http
from tests.transport.http_client import http_client
from tests.transport.serving import serve
from tests.transport.sse_client import sse_session

pytestmark = pytest.mark.asyncio(loop_scope="module")
PUBLIC: Final = "http://127.0.0.1:8080"
SCOPE: Final = 'scope="tickets:read tickets:write"'
MARY, VERA = "mary@acme.example", "vera@acme.example"
PING: Final = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
WRITE: Final = {
    "jsonrpc": "2.0",
    "id": 3,
    "method": "tools/call",
    "params": {"name": "add_ticket_history", "arguments": {"ticketId": "TCK-0001", "comment": "Called back."}},
}


@dataclass
class Door:
    """A server in this process, of whose organisation acme Mary is an agent and Vera a viewer."""

    url: str
    issuer: Signer
    server: CloudMCPServer
    settings: CloudSettings

    def bearer(self, **claims: Any) -> dict[str, str]:
        """Return the header that sends a token of Mary for the whole server."""
        usual: dict[str, Any] = {"aud": PUBLIC, "email": MARY, "email_verified": True}
        token = self.issuer.token(claims.get("email", MARY), time.time(), **usual | claims)
        return {"authorization": f"Bearer {token}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    folder = tmp_path_factory.mktemp("sign-in")
    async with AsyncExitStack() as stack:
        issuer = await stack.enter_async_context(issuer_over_http())
        settings = CloudSettings(
            database_url=SecretStr(sqlite(folder)),
            identity_keys=(SecretStr(IDENTITY_KEY),),
            public_url=AnyHttpUrl(PUBLIC),
            oauth_enabled=True,
            oauth_issuer={issuer.url: frozenset({"acme"})},
        )
        await add_filled_tenant(sqlite(folder), "acme")
        server = CloudMCPServer(settings)
        url = await stack.enter_async_context(serve(server.app))
        store = await stack.enter_async_context(open_store(beside(folder), Secrets([IDENTITY_KEY])))
        await store.tenants.add("acme")
        for email, role in ((MARY, "agent"), (VERA, "viewer")):
            await store.users.add(email)
            await store.memberships.set(email, "acme", role=role, ticket_user="user3")
        yield Door(url, issuer, server, settings)


def challenge_of(response: httpx2.Response) -> dict[str, str]:
    """Return the parameters of a Bearer challenge."""
    scheme, _, parameters = response.headers["www-authenticate"].partition(" ")
    assert scheme == "Bearer"
    return dict(re.findall(r'(\w+)="([^"]*)"', parameters))


@pytest.mark.parametrize(
    ("path", "document"), [("/mcp", "/mcp"), ("/mcp/", "/mcp"), ("/sse", "/sse"), ("/messages", "/sse")]
)
async def test_a_client_that_sends_nothing_learns_where_to_sign_in(door: Door, path: str, document: str) -> None:
    async with httpx2.AsyncClient(base_url=door.url) as http:
        refused = await http.get(path) if path == "/sse" else await http.post(path, json=PING)
        challenge = challenge_of(refused)
        described = await http.get(challenge["resource_metadata"].removeprefix(PUBLIC))

    assert refused.status_code == 401
    assert refused.json()["error"]["data"]["kind"] == "unauthenticated"
    assert challenge == {
        "resource_metadata": f"{PUBLIC}{WELL_KNOWN}{document}",
        "scope": "tickets:read tickets:write",
    }
    assert described.json()["resource"] == f"{PUBLIC}{document}"
    assert described.json()["authorization_servers"] == [door.issuer.url]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"authorization": "Bearer {expired}"}, "The access token has expired. Refresh it, or sign in again."),
        ({"authorization": "Bearer {other}"}, "The access token was issued for another server or another address."),
        ({"authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}, "The signature of the access token is not valid."),
        ({"authorization": "Bearer no-key-at-all"}, "This API key is not valid."),
        ({"x-api-key": "no-key-at-all"}, "This API key is not valid."),
    ],
    ids=["expired", "other resource", "no signature", "bearer", "key"],
)
async def test_a_client_that_sends_what_is_not_valid_learns_why(
    door: Door, headers: dict[str, str], reason: str
) -> None:
    tokens = {
        "expired": door.bearer(exp=int(time.time()) - 3600)["authorization"].removeprefix("Bearer "),
        "other": door.bearer(aud=f"{PUBLIC}/sse")["authorization"].removeprefix("Bearer "),
    }
    sent = {name: value.format(**tokens) for name, value in headers.items()}
    async with httpx2.AsyncClient(base_url=door.url, headers=sent) as http:
        refused = await http.post("/mcp", json=PING)

    challenge = challenge_of(refused)
    assert (refused.status_code, challenge["error"]) == (401, "invalid_token")
    assert challenge["error_description"].startswith(reason)
    assert challenge["resource_metadata"] == f"{PUBLIC}{WELL_KNOWN}/mcp"
    assert challenge["scope"] == "tickets:read tickets:write"


async def test_a_token_in_the_query_is_as_if_nothing_was_sent(door: Door) -> None:
    token = door.bearer()["authorization"].removeprefix("Bearer ")
    async with httpx2.AsyncClient(base_url=door.url) as http:
        refused = await http.post(f"/mcp?access_token={token}", json=PING)

    assert refused.status_code == 401
    assert "error" not in challenge_of(refused)


async def test_who_is_not_admitted_is_not_asked_to_sign_in_again(door: Door) -> None:
    async with httpx2.AsyncClient(base_url=door.url, headers=door.bearer(email="eve@acme.example")) as http:
        refused = await http.post("/mcp", json=PING)

    assert (refused.status_code, refused.json()["error"]["data"]["kind"]) == (403, "not_admitted")
    assert "www-authenticate" not in refused.headers


async def test_a_token_that_only_reads_is_stepped_up_on_mcp(door: Door) -> None:
    async with http_client(door.url, door.bearer(scope="tickets:read")) as client:
        listed = await client.post({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})
        tools = {tool["name"] for tool in (await listed.response(2))["result"]["tools"]}
        refused = await client.post(WRITE)
        assert "add_ticket_history" in tools, "a model has to know what it may ask for"
        assert (refused.status, refused.kind) == (403, "insufficient_scope")
        assert refused.headers["www-authenticate"] == (
            'Bearer error="insufficient_scope", error_description="add_ticket_history needs the scope tickets:write, '
            'which this access token does not have. Nothing was changed; sign in again and allow it.", '
            f'resource_metadata="{PUBLIC}{WELL_KNOWN}/mcp", {SCOPE}'
        )
        again = await client.who(door.bearer()).post(WRITE)
        assert not (await again.response(3))["result"].get("isError")


async def test_a_token_that_only_reads_is_stepped_up_on_sse(door: Door) -> None:
    async with sse_session(door.url, door.bearer(scope="tickets:read", aud=f"{PUBLIC}/sse")) as client:
        refused = await client.post(WRITE)
        challenge = challenge_of(refused)
        assert (refused.status_code, challenge["error"]) == (403, "insufficient_scope")
        assert challenge["scope"] == "tickets:read tickets:write"
        assert challenge["resource_metadata"] == f"{PUBLIC}{WELL_KNOWN}/sse"
        client.headers |= door.bearer(aud=f"{PUBLIC}/sse")
        assert (await client.post(WRITE)).status_code == 202
        assert not (await client.response(3))["result"].get("isError")


async def test_a_role_that_may_not_write_is_refused_as_with_a_key(door: Door) -> None:
    viewer = door.bearer(email=VERA)
    async with http_client(door.url, viewer) as client:
        refused = await client.post(WRITE)
        assert (refused.status, refused.kind) == (403, "insufficient_scope")
        assert "www-authenticate" not in refused.headers
    async with sse_session(door.url, viewer) as sse:
        assert (await sse.post(WRITE)).status_code == 202
        assert (await sse.response(3))["error"]["data"]["kind"] == "insufficient_scope"


async def test_health_the_banner_and_the_page_name_sign_in(door: Door) -> None:
    async with httpx2.AsyncClient(base_url=door.url) as http:
        health = (await http.get("/health")).json()
        page = (await http.get("/", headers={"accept": "text/html"})).text
        missing = await http.post("/register", json={})

    assert health == {"status": "healthy", "transport": "all", "auth_enabled": True, "oauth_enabled": True}
    assert "You sign in with the account of your organisation" in page
    assert "YOUR-KEY" not in page
    netloc = door.issuer.url.removeprefix("http://")
    assert who_may_call(door.settings).startswith(
        f"people and programs that sign in at {netloc} (MCP_OAUTH_ISSUER); people and programs, each with a key"
    )
    banner = greeting(door.settings, 1, {"streamable_http"}, None)
    assert f"claude mcp add --transport http tickets {PUBLIC}/mcp\n" in banner
    assert (missing.status_code, missing.json()) == (404, {"detail": SIGN_IN_ELSEWHERE})


@pytest.mark.parametrize(("wire", "statuses"), [("streamable_http", [200, 200, 404]), ("sse", [200, 404, 200])])
async def test_a_wire_that_is_not_served_has_no_document(door: Door, wire: str, statuses: list[int]) -> None:
    server = CloudMCPServer(door.settings.model_copy(update={"transport_type": wire}))
    transport = httpx2.ASGITransport(server.app)  # the documents depend on settings alone: nothing is opened
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC) as http:
        documents = [await http.get(WELL_KNOWN + path) for path in ("", "/mcp", "/sse")]

    assert [one.status_code for one in documents] == statuses
    assert documents[0].json()["resource"] == PUBLIC


async def test_a_server_without_sign_in_sends_nobody_looking_for_it(tmp_path: Path) -> None:
    settings = CloudSettings(mcp_api_key=SecretStr(KEY), database_url=SecretStr(sqlite(tmp_path)))
    async with serve(CloudMCPServer(settings).app) as url, httpx2.AsyncClient(base_url=url) as http:
        refused = await http.post("/mcp", json=PING)
        documents = [await http.get(WELL_KNOWN + path) for path in ("", "/mcp", "/sse")]

    assert (refused.status_code, "www-authenticate" in refused.headers) == (401, False)
    assert [one.status_code for one in documents] == [404] * 3
    assert all("This server has no OAuth sign-in" in one.text for one in documents)


async def test_a_real_server_serves_it_all(tmp_path: Path) -> None:
    """The process, with its settings from the environment, while the identity provider runs here."""
    async with issuer_over_http() as issuer:
        given = {"MCP_OAUTH_ENABLED": "true", "MCP_OAUTH_ISSUER": issuer.url, "MCP_IDENTITY_KEYS": IDENTITY_KEY}
        with http_door(tmp_path, **given, MCP_PUBLIC_URL=f"{PUBLIC}/", MCP_MCP_API_KEY="") as (url, process):
            async with httpx2.AsyncClient(base_url=url) as http:
                described = (await http.get(f"{WELL_KNOWN}/mcp")).json()
                refused = await http.post("/mcp", json=PING)
                token = issuer.token("mary", time.time(), aud=f"{PUBLIC}/mcp")
                stranger = await http.post("/mcp", json=PING, headers={"authorization": f"Bearer {token}"})

    assert (described["resource"], described["authorization_servers"]) == (f"{PUBLIC}/mcp", [issuer.url])
    assert challenge_of(refused)["resource_metadata"] == f"{PUBLIC}{WELL_KNOWN}/mcp"
    assert (stranger.status_code, stranger.json()["error"]["data"]["kind"]) == (403, "not_admitted")
    assert "identity add --issuer" in stranger.text
    assert "Who may call: people and programs that sign in at 127.0.0.1:" in process.said


@pytest.mark.long
async def test_a_server_whose_sign_in_is_incomplete_does_not_start(tmp_path: Path) -> None:
    with Process(HTTP_DOOR, PORT="0", MCP_DATABASE_URL=sqlite(tmp_path), MCP_OAUTH_ENABLED="true") as process:
        assert process.wait() == 2

    assert process.said == (
        "The ticket server cannot start.\nMCP_OAUTH_ENABLED needs MCP_OAUTH_CLIENT_ID (or MCP_OAUTH_ISSUER), "
        "MCP_PUBLIC_URL and MCP_IDENTITY_KEYS as well: see docs/oauth.md\n"
    )
