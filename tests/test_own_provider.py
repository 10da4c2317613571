"""A program of your own: `CloudMCPServer`, and the `TicketService` behind it, take an `AuthProvider`."""

import importlib
from pathlib import Path
from typing import Final

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.requests import HTTPConnection
from starlette.routing import Route

import cloud_mcp_server
from cloud_mcp_server import CloudMCPServer
from shared.config import CloudSettings
from shared.environment import SettingsError
from shared.identity import AuthenticationError, AuthProvider, Principal, Tenant
from tests.databases import add_filled_tenant
from tests.kills import kills
from tests.processes import KEY, sqlite
from tests.transport.http_client import http_client
from tests.transport.serving import serve
from transport.http.endpoint import Endpoint

SETTINGS: Final = ("MCP_MCP_API_KEY", "MCP_IDENTITY_KEYS", "MCP_ALLOW_ANONYMOUS", "MCP_DATABASE_URL")


class Badges(AuthProvider):
    """A badge names a person, and the organisation behind the `@`."""

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return the person."""
        name, _, tenant = request.headers.get("x-badge", "").partition("@")
        if not name:
            raise AuthenticationError("Show your badge in the header x-badge.")
        return Principal(id=name, tenant=Tenant(tenant or "default"), proof="badge")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MCP_DATABASE_URL", sqlite(tmp_path))


@kills("cloud_mcp_server.py", "auth_provider=auth_provider or access.provider,", "auth_provider=access.provider,")
async def test_a_provider_of_your_own_decides_who_calls_without_any_key_in_the_settings() -> None:
    server = CloudMCPServer(auth_provider=Badges())
    assert server.health()["auth_enabled"] is True
    async with serve(server.app) as url:
        async with http_client(url, {"x-badge": "mary"}) as client:
            assert "In progress" in await client.call(1, "get_statuses")
        async with http_client(url, {}, None) as stranger:
            refused = await stranger.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})
            assert (refused.status, refused.kind) == (401, "unauthenticated")


def test_without_it_a_server_without_keys_is_refused() -> None:
    with pytest.raises(SettingsError, match="set MCP_MCP_API_KEY"):
        CloudMCPServer()


def test_the_settings_are_those_of_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_MCP_API_KEY", KEY)

    assert isinstance(CloudMCPServer().app, FastAPI)
    assert isinstance(CloudMCPServer(CloudSettings(mcp_api_key=SecretStr(KEY))).app, FastAPI)


def test_the_module_is_imported_whatever_the_settings_are_and_makes_one_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "no port")
    module = importlib.reload(cloud_mcp_server)
    with pytest.raises(SettingsError, match="PORT"):
        _ = module.app
    monkeypatch.delenv("PORT")
    monkeypatch.setenv("MCP_MCP_API_KEY", KEY)

    assert module.app is module.app
    with pytest.raises(AttributeError, match="nothing"):
        _ = module.nothing
    del module.__dict__["app"]


async def test_the_application_owns_the_routes_and_the_table_is_filled_from_them() -> None:
    app = CloudMCPServer(auth_provider=Badges()).app
    served = {route.path for route in app.routes if isinstance(route, Route) and isinstance(route.endpoint, Endpoint)}
    assert served == {f"{path}{end}" for path in ("/sse", "/messages", "/mcp") for end in ("", "/")}
    for root in ("", "/mounted"):  # below a mount point the routes decide
        transport = httpx2.ASGITransport(app, root_path=root)
        async with httpx2.AsyncClient(transport=transport, base_url=f"http://localhost{root}") as client:
            assert {(await client.put(path)).status_code for path in served} == {405}
            assert (await client.put("/mcp/more")).status_code == 404


@kills("ticket_service.py", "directory = _OneUpstream()", "pass")
async def test_the_principals_of_your_own_provider_see_the_tickets_of_their_organisation_alone(
    tmp_path: Path,
) -> None:
    await add_filled_tenant(sqlite(tmp_path), "acme")
    async with serve(CloudMCPServer(auth_provider=Badges()).app) as url:
        async with http_client(url, {"x-badge": "mary@acme"}) as client:
            await client.call(1, "update_ticket", ticketId="TCK-0050", summary="Of acme alone", updatedById="user1")
            assert "Of acme alone" in await client.call(2, "get_ticket_detail", ticketId="TCK-0050")
        async with http_client(url, {"x-badge": "mary"}) as client:
            assert "Of acme alone" not in await client.call(1, "get_ticket_detail", ticketId="TCK-0050")
