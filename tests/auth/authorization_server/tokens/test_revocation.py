"""A client ends its own sign-ins, by either token; others' are not touched, and unknown tokens are no error."""

from dataclasses import replace

from auth.authorization_server.tokens.access_tokens import LIFE_S
from tests.auth.authorization_server.tokens.installation import DESKTOP, Installation, refused
from tests.auth.conftest import Clock
from tests.auth.oauth.issuer import token as foreign_token


async def test_either_token_ends_its_sign_in_and_no_other(desktop: Installation) -> None:
    others = await desktop.sign_in()
    for kind in ("refresh_token", "access_token"):
        for hint in ("refresh_token", "access_token", "something", ...):
            tokens = await desktop.sign_in()
            response = await desktop.revoke(tokens[kind], token_type_hint=hint)
            assert (response.status_code, response.content) == (200, b"")
            assert refused(await desktop.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
            assert (await desktop.revoke(tokens[kind])).status_code == 200

    assert (await desktop.refresh(others["refresh_token"])).status_code == 200


async def test_a_token_of_another_client_is_not_revoked(desktop: Installation) -> None:
    registered = (await desktop.store.oauth_clients.register({})).id
    tokens = await desktop.sign_in()
    for kind in ("refresh_token", "access_token"):
        assert refused(await desktop.revoke(tokens[kind], client_id=registered)) == (400, "invalid_grant")
        assert refused(await desktop.revoke(tokens[kind], client_id="cli_0")) == (401, "invalid_client")

    assert (await desktop.refresh(tokens["refresh_token"])).status_code == 200


async def test_what_is_no_token_of_ours_or_not_any_more_is_no_error(desktop: Installation, clock: Clock) -> None:
    tokens = await desktop.sign_in()
    clock.go_on(seconds=LIFE_S + 61)

    for text in ("nonsense", "rft_0123456789abcdef_1_" + "A" * 43, foreign_token(), tokens["access_token"]):
        assert (await desktop.revoke(text)).status_code == 200
    assert refused(await desktop.revoke(...)) == (400, "invalid_request")
    assert (await desktop.refresh(tokens["refresh_token"])).status_code == 200


async def test_one_installation_of_a_client_is_revoked_by_its_redirect_address(desktop: Installation) -> None:
    """Clients with a metadata document share one id."""
    elsewhere = replace(desktop.allowed, redirect_uri="http://127.0.0.1:1/callback")
    here, there = await desktop.sign_in(), await desktop.sign_in(elsewhere, redirect_uri=elsewhere.redirect_uri)

    await desktop.store.grants.revoke_all(client_id=DESKTOP, redirect_uri=elsewhere.redirect_uri, because="operator")

    assert (await desktop.refresh(here["refresh_token"])).status_code == 200
    assert refused(await desktop.refresh(there["refresh_token"])) == (400, "invalid_grant")
