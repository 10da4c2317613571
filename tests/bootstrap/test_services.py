"""The part of the doctor that needs packages: against real ticket APIs, databases and brokers."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bootstrap import services
from bootstrap.doctor import Finding
from shared.config import CloudSettings
from tests.auth.oauth.signing import Signer
from tests.processes import API_KEY, IDENTITY_KEY, free_port, sqlite, ticket_api
from tests.test_token_ends import issuer_over_http
from tests.transport.serving import serve


def settings(**given: Any) -> CloudSettings:
    return CloudSettings(allow_anonymous=True, **given)


async def found(findings: AsyncIterator[Finding]) -> list[tuple[bool, str]]:
    """Return every finding as whether it is wrong, and its text."""
    return [(finding.is_wrong, finding.what) async for finding in findings]


async def test_a_ticket_api_that_works_is_right_and_so_is_its_clock(tmp_path: Path) -> None:
    with ticket_api(sqlite(tmp_path)) as address:
        right = await found(services.api(settings(api_base_url=address, api_key=API_KEY)))
        wrong = await found(services.api(settings(api_base_url=address, api_key="another-key")))
        keyless = await found(services.api(settings(api_base_url=address)))
        prefixed = await found(services.api(settings(api_base_url=f"{address}/api", api_key=API_KEY)))

    assert right == [
        (False, f"ticket API: {address} answers and accepts the key"),
        (False, "clock: as that of the ticket API"),
    ]
    assert wrong[0] == (True, f"ticket API: {address} refuses the key (401). Correct MCP_API_KEY.")
    assert keyless[0][1].endswith("(401). Set MCP_API_KEY to a key that it accepts.")
    assert prefixed[0][0]
    assert "/api/tickets/master/statuses answers 404" in prefixed[0][1]
    assert "another-key" not in str(wrong)


async def test_what_does_not_answer_is_named_with_what_to_do() -> None:
    nowhere = f"127.0.0.1:{free_port()}"

    (api,) = await found(services.api(settings(api_base_url=f"http://{nowhere}")))
    (broker,) = await found(services.broker(settings(broker_url=f"redis://:hidden@{nowhere}")))
    (database,) = await found(services.database(settings(database_url=f"postgresql://u:hidden@{nowhere}/tickets")))

    for finding, variable in ((api, "MCP_API_BASE_URL"), (broker, "MCP_BROKER_URL"), (database, "MCP_DATABASE_URL")):
        assert finding[0]
        assert f"Start it, or correct {variable}" in finding[1]
        assert "hidden" not in finding[1]


async def test_an_identity_provider_is_asked_for_its_keys_as_the_server_asks() -> None:
    async with issuer_over_http() as issuer:
        given = {"identity_keys": [SecretStr(IDENTITY_KEY)], "public_url": "http://127.0.0.1:8080"}
        (right,) = await found(services.sign_in(settings(**given, oauth_enabled=True, oauth_issuer=issuer.url)))
        (wrong,) = await found(services.sign_in(settings(**given, oauth_enabled=True, oauth_issuer=f"{issuer.url}/")))
        off = await found(services.sign_in(settings(**given, oauth_issuer=issuer.url)))

    assert right == (False, f"sign-in: {issuer.url} answers; its keys: 1")
    assert wrong[0]
    assert "set MCP_OAUTH_ISSUER as it is spelled there. Check MCP_OAUTH_ISSUER." in wrong[1]
    assert off == []


@asynccontextmanager
async def provider_with_a_client(client_id: str, secret: str) -> AsyncIterator[str]:
    """Serve an identity provider that knows one client, and no code."""
    documents: dict[str, Any] = {}

    async def respond(request: Request) -> JSONResponse:
        if request.url.path == "/token":
            form = parse_qs((await request.body()).decode())
            is_known = (form.get("client_id"), form.get("client_secret")) == ([client_id], [secret])
            return JSONResponse({"error": "invalid_grant" if is_known else "invalid_client"}, 400)
        return JSONResponse(documents[str(request.url)])

    app = Starlette(routes=[Route("/{path:path}", respond, methods=["GET", "POST"])])
    async with serve(app) as url:
        documents |= Signer(url).documents
        documents[f"{url}/.well-known/openid-configuration"] |= {
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }
        yield url


async def test_a_provider_of_which_this_server_is_a_client_must_know_it_and_its_callback() -> None:
    async with provider_with_a_client("tickets", "the-secret") as url:
        given: dict[str, Any] = {
            "identity_keys": [SecretStr(IDENTITY_KEY)],
            "public_url": "http://127.0.0.1:8080/help/",
            "oauth_enabled": True,
            "oauth_issuer": url,
            "oauth_client_id": "tickets",
        }
        known, callback = await found(services.sign_in(settings(**given, oauth_client_secret="the-secret")))
        wrong = settings(**given, oauth_client_secret="another-secret", oauth_redirects=["http://a.example"])
        refused, _, redirect = await found(services.sign_in(wrong))
        elsewhere = settings(**given | {"oauth_issuer": f"{url}/"}, oauth_client_secret="the-secret")
        away, _ = await found(services.sign_in(elsewhere))

    assert known == (False, "sign-in: 127.0.0.1 answers and knows MCP_OAUTH_CLIENT_ID; its keys: 1")
    address = "http://127.0.0.1:8080/help/oauth/callback/127.0.0.1"
    assert callback == (False, f"sign-in: the redirect URI that must be entered at 127.0.0.1, exactly: {address}")
    assert refused[0]
    assert refused[1].startswith(
        "sign-in: nobody can sign in at 127.0.0.1: it refuses this server (invalid_client). Check MCP_OAUTH_CLIENT_ID, "
    )
    assert "another-secret" not in refused[1]
    assert redirect[0]
    assert redirect[1].startswith("sign-in: MCP_OAUTH_REDIRECTS: 'http://a.example' cannot be a redirect address")
    assert away[0]
    assert "set MCP_OAUTH_ISSUER as it is spelled there" in away[1]


async def test_a_broker_that_answers_is_right(broker_url: str) -> None:
    assert await found(services.broker(settings(broker_url=broker_url))) == [
        (False, "broker: it answers"),
        (False, "clock: as that of the broker"),
    ]
    assert await found(services.broker(settings())) == []


@pytest.mark.parametrize(("hours", "is_wrong"), [(-9, True), (1, True), (0, False)])
def test_clocks_that_differ_are_noticed(hours: int, is_wrong: bool) -> None:
    finding = services.clock("the ticket API", datetime.now(UTC) + timedelta(hours=hours))

    assert finding.is_wrong is is_wrong
    assert ("Set the clock" in finding.what) is is_wrong


async def test_a_database_file_is_looked_at_and_not_made(tmp_path: Path) -> None:
    file = tmp_path / "tickets.sqlite3"
    given = settings(database_url=sqlite(tmp_path))

    (missing,) = await found(services.database(given))
    assert not file.exists()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE t (x)")
    (right,) = await found(services.database(given))
    file.write_bytes(b"no database " * 100)
    (damaged,) = await found(services.database(given))

    assert missing == (False, f"database: {file} does not exist yet; the first start makes it")
    assert right == (False, f"database: {file}")
    assert damaged[0]
    assert "cannot be used: file is not a database" in damaged[1]


async def test_a_remote_ticket_api_has_its_database_elsewhere() -> None:
    assert await found(services.database(settings(api_base_url="http://127.0.0.1:1"))) == []


async def test_wrong_settings_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MCP_ALLOW_ANONYMOUS", "true")
    monkeypatch.setenv("MCP_LOG_LEVEL", "LOUD")

    assert await services.examine() == 1
    assert "MCP_LOG_LEVEL must be one of DEBUG" in capsys.readouterr().out
