"""A server with an authorization server of its own: what its settings make of it. No connection is opened."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from pydantic import AnyHttpUrl, SecretStr

from auth.authorization_server.identity_provider.provider import callback_path
from auth.oauth.metadata import WELL_KNOWN
from cloud_mcp_server import NO_REGISTRATION, CloudMCPServer
from shared.config import CloudSettings
from shared.environment import SettingsError
from shared.identity import GOOGLE
from tests.processes import IDENTITY_KEY, sqlite

PUBLIC: Final = "https://tickets.example/help"


def settings(folder: Path, **changes: Any) -> CloudSettings:
    return CloudSettings(
        database_url=SecretStr(sqlite(folder)),
        identity_keys=(SecretStr(IDENTITY_KEY),),
        public_url=AnyHttpUrl(f"{PUBLIC}/"),
        oauth_enabled=True,
        oauth_client_id="tickets.apps.googleusercontent.com",
        oauth_client_secret=SecretStr("a-secret"),
        **changes,
    )


@asynccontextmanager
async def asking(server: CloudMCPServer) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(server.app)
    async with httpx2.AsyncClient(transport=transport, base_url="https://tickets.example") as http:
        yield http


async def test_clients_sign_in_at_this_server_itself(tmp_path: Path) -> None:
    async with asking(CloudMCPServer(settings(tmp_path))) as http:
        resource = (await http.get(f"{WELL_KNOWN}/help/mcp")).json()
        metadata = (await http.get("/.well-known/oauth-authorization-server/help")).json()
        health = (await http.get("/health")).json()
        missing = await http.get("/nothing")

    assert resource["authorization_servers"] == [PUBLIC]
    assert metadata["issuer"] == PUBLIC
    assert metadata["token_endpoint"] == f"{PUBLIC}/token"
    assert metadata["registration_endpoint"] == f"{PUBLIC}/register"
    assert health["oauth_enabled"] is True
    assert (missing.status_code, missing.json()) == (404, {"detail": "Not Found"})


async def test_a_client_that_may_not_register_itself_learns_what_to_do(tmp_path: Path) -> None:
    async with asking(CloudMCPServer(settings(tmp_path, oauth_registration=False))) as http:
        metadata = (await http.get("/.well-known/oauth-authorization-server/help")).json()
        refused = await http.post("/register", json={})

    assert "registration_endpoint" not in metadata
    assert (refused.status_code, refused.json()) == (404, {"detail": NO_REGISTRATION})


@pytest.mark.parametrize(("wire", "path"), [("streamable_http", "/mcp"), ("sse", "/sse")], ids=["mcp", "sse"])
async def test_only_wires_that_are_served_are_resources(tmp_path: Path, wire: str, path: str) -> None:
    async with asking(CloudMCPServer(settings(tmp_path, transport_type=wire))) as http:
        metadata = (await http.get("/.well-known/oauth-authorization-server")).json()

    assert metadata["protected_resources"] == [PUBLIC, PUBLIC + path]


def test_the_callback_is_a_route_at_the_public_address(tmp_path: Path) -> None:
    paths = {getattr(route, "path", "") for route in CloudMCPServer(settings(tmp_path)).app.routes}

    callback = callback_path(GOOGLE).replace("google", "{provider}")
    assert {callback, f"/help{callback}"} <= paths


def test_a_redirect_address_that_no_client_can_have_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^MCP_OAUTH_REDIRECTS: 'https://\*\.example/cb' cannot be a redirect"):
        CloudMCPServer(settings(tmp_path, oauth_redirects=("https://*.example/cb",)))
