"""What the person who starts the HTTP server reads: what was checked, and never "ready" while `/ready` is 503."""

import socket
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import AnyHttpUrl, SecretStr

import cloud_mcp_server
from cloud_mcp_server import CloudMCPServer
from shared.config import CloudSettings
from shared.config.greeting import Failing, greeting
from tests.processes import IDENTITY_KEY, KEY, http_door, sqlite
from tests.transport.serving import serve

WIRES = {"sse", "streamable_http"}


def test_without_its_ticket_api_it_is_not_called_ready(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, so that no other program listens there
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with http_door(tmp_path, MCP_API_BASE_URL=f"http://127.0.0.1:{port}") as (address, process):
            readiness = httpx2.get(f"{address}/ready")

    assert readiness.status_code == 503
    assert f"Ticket server started, but NOT ready: {address}/mcp\n" in process.said
    assert (
        f"Checked:      calls fail, because of the ticket API at 127.0.0.1:{port} (MCP_API_BASE_URL): "
        "upstream_unavailable. GET /ready is 200 once they would succeed.\n" in process.said
    )
    assert "server ready" not in process.said


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"broker_url": "redis://127.0.0.1:9"}, "the session broker (MCP_BROKER_URL): broker_unavailable"),
        ({"api_base_url": "http://127.0.0.1:9"}, "the ticket API at 127.0.0.1:9 (MCP_API_BASE_URL): upstream_"),
        ({"api_base_url": "http://no-host.invalid"}, "the ticket API at no-host.invalid (MCP_API_BASE_URL): upstream_"),
    ],
    ids=["broker", "ticket API", "name"],
)  # fmt: skip
async def test_it_names_what_is_missing_exactly_while_ready_is_503(
    tmp_path: Path, given: dict[str, Any], what: str
) -> None:
    settings = CloudSettings(mcp_api_key=SecretStr(KEY), database_url=SecretStr(sqlite(tmp_path)), **given)
    server = CloudMCPServer(settings)
    async with serve(server.app) as url, httpx2.AsyncClient() as client:
        said = greeting(settings, 8080, WIRES, await server.failing())
        status = (await client.get(f"{url}/ready")).status_code

    assert status == 503
    assert f"because of {what}" in said
    assert "server ready" not in said


async def test_it_says_what_was_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_mcp_server, "READY_S", 30.0)
    settings = CloudSettings(
        mcp_api_key=SecretStr(KEY),
        identity_keys=(SecretStr(IDENTITY_KEY),),
        database_url=SecretStr(sqlite(tmp_path)),
        read_only=True,
    )
    server = CloudMCPServer(settings)
    async with serve(server.app):
        failing = await server.failing()

    assert failing is None
    said = greeting(settings, 8080, WIRES, failing)
    assert "Ticket server ready: http://127.0.0.1:8080/mcp\n" in said
    assert (
        "Checked:      the embedded ticket API (MCP_DATABASE_URL) answers; the identity store takes writes; nothing "
        "can be written (MCP_READ_ONLY)\n" in said
    )


def test_a_remote_api_and_a_broker_are_named_without_secrets() -> None:
    settings = CloudSettings(
        mcp_api_key=SecretStr(KEY),
        api_base_url=AnyHttpUrl("https://api.example.com/x"),
        broker_url=SecretStr("redis://user:hush@broker"),
    )

    assert (
        "Checked:      the ticket API at api.example.com (MCP_API_BASE_URL) answers; the session broker answers\n"
        in (greeting(settings, 1, WIRES, None))
    )
    for failing in (None, Failing("the session broker (MCP_BROKER_URL)", "broker_unavailable")):
        assert "hush" not in greeting(settings, 1, WIRES, failing)
