"""The three ways of authenticating callers: opened and closed in order, and each fails closed."""

import os
import time
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from auth.access import Access, AnonymousAccess, IdentityService, SharedKeyAccess, SignIn
from auth.authorization_server.server import AuthorizationServerOptions
from auth.oauth.tokens import InvalidTokenError, TokenFault
from auth.store import open_store
from shared.audit import AuditEvent
from shared.identity import GOOGLE, OAUTH, AuthenticationError
from tests.auth.authorization_server.tokens.installation import BASE, MARY, MCP, VERIFIER, add_mary, challenge_of
from tests.auth.conftest import SECRET, SECRETS
from tests.auth.oauth.signing import Signer

KEY = "a-key-of-thirty-two-characters-!"


def request(key: str | None) -> HTTPConnection:
    headers = [] if key is None else [(b"x-api-key", key.encode())]
    return HTTPConnection({"type": "http", "headers": headers, "client": ("192.0.2.1", 1)})


async def status(access: Access, key: str | None) -> int:
    try:
        await access.provider.authenticate(request(key))
    except AuthenticationError as error:
        return error.status
    return 200


async def test_anyone_is_let_in_where_no_one_is_asked() -> None:
    callers = AnonymousAccess()
    async with callers.run():
        await callers.check()
        assert [await status(callers, key) for key in (None, "x")] == [200, 200]
    assert callers.directory is None


async def test_the_shared_key_alone_lets_in_and_who_guesses_is_slowed() -> None:
    callers = SharedKeyAccess([KEY])
    async with callers.run():
        await callers.check()
        assert [await status(callers, key) for key in (None, "x", KEY)] == [401, 401, 200]
        assert [await status(callers, f"guess-{number}") for number in range(10)][-1] == 429
        assert await status(callers, KEY) == 200, "it was valid before"


async def test_what_was_done_is_written_before_it_closes(sqlite_identity_url: str) -> None:
    callers = IdentityService(sqlite_identity_url, [SECRET], cache_s=30)
    async with callers.run():
        await callers.check()
        await status(callers, "tkt_live_x")
        await callers.trail.record(AuditEvent(action="tool_call", outcome="ok", actor="me"))

    async with open_store(sqlite_identity_url, SECRETS) as store:
        actions = [event.action async for event in store.audit.events()]
    assert actions[-2:] == ["authenticate", "tool_call"]


@pytest.mark.parametrize("secrets", [[], ["short"]])
def test_without_secrets_there_is_no_store(sqlite_identity_url: str, secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="32 characters"):
        IdentityService(sqlite_identity_url, secrets, cache_s=30)


async def test_a_new_store_in_a_file_is_for_its_user_alone(tmp_path: Path) -> None:
    callers = IdentityService(f"sqlite:///{tmp_path.as_posix()}/new/identity.sqlite3", [SECRET], cache_s=30)
    before = os.umask(0o022)  # what most machines have
    try:
        async with callers.run():
            await status(callers, "tkt_live_x")
            files = list((tmp_path / "new").iterdir())
    finally:
        os.umask(before)

    assert "identity.sqlite3" in {file.name for file in files}
    modes = {file.name: file.stat().st_mode & 0o077 for file in (tmp_path / "new").iterdir()}
    assert os.name != "posix" or set(modes.values()) == {0}, modes


async def test_tokens_of_this_server_count_where_it_issues_them_and_those_of_google_do_not(
    sqlite_identity_url: str,
) -> None:
    options = AuthorizationServerOptions(public_url=BASE, client_id="tickets", client_secret="a-secret")
    sign_in = SignIn(issuers={BASE: frozenset()}, public_url=BASE, server=options)
    callers = IdentityService(sqlite_identity_url, [SECRET], cache_s=30, sign_in=sign_in)
    async with open_store(sqlite_identity_url, SECRETS) as store, callers.run():
        allowed = await add_mary(store)
        transport = httpx2.ASGITransport(Starlette(routes=callers.routes))
        async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
            answer = await http.post(
                "/token",
                data={
                    "grant_type": "authorization_code",
                    "code": await store.codes.issue(allowed, code_challenge=challenge_of(VERIFIER)),
                    "client_id": allowed.client_id,
                    "redirect_uri": allowed.redirect_uri,
                    "code_verifier": VERIFIER,
                },
            )
        caller = await callers.provider.authenticate(bearer(answer.json()["access_token"]))
        with pytest.raises(InvalidTokenError) as refused:
            await callers.provider.authenticate(bearer(Signer(GOOGLE).token("1", time.time(), aud=MCP)))

    assert (caller.id, caller.email, caller.tenant.id, caller.proof) == (allowed.user, MARY, "acme", OAUTH)
    assert refused.value.reason is TokenFault.ISSUER
    assert (AnonymousAccess().routes, SharedKeyAccess([KEY]).routes) == ((), ())


def bearer(token: str) -> HTTPConnection:
    headers = [(b"authorization", f"Bearer {token}".encode())]
    return HTTPConnection({"type": "http", "path": "/mcp", "headers": headers, "client": ("192.0.2.1", 1)})
