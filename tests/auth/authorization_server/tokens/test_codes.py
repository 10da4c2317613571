"""A code is exchanged once, by the client it was issued to, with its redirect address, verifier and resource."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from auth.authorization_server.tokens.access_tokens import LIFE_S
from shared.identity import Scope
from tests.auth.authorization_server.tokens.installation import (
    BASE,
    DESKTOP,
    MARY,
    MCP,
    VERIFIER,
    Installation,
    answer,
    challenge_of,
    refused,
)
from tests.auth.conftest import Clock
from tests.kills import kills

OTHER: Final = "https://other.example/client.json"


async def test_a_code_is_exchanged_for_tokens(everywhere: Installation, clock: Clock) -> None:
    response = await everywhere.redeem(await everywhere.code())

    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "application/json"
    tokens = answer(response)
    assert {name: tokens[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": LIFE_S,
        "scope": "tickets:read tickets:write",
    }
    claims = await everywhere.claims(tokens["access_token"])
    [grant] = await everywhere.store.grants.all()
    now = int(clock().timestamp())
    assert {name: value for name, value in claims.items() if name != "jti"} == {
        "iss": BASE,
        "sub": everywhere.allowed.user,
        "aud": MCP,
        "client_id": DESKTOP,
        "scope": "tickets:read tickets:write",
        "tenant": "acme",
        "grant": grant.id,
        "iat": now,
        "exp": now + LIFE_S,
    }
    assert (await everywhere.refresh(tokens["refresh_token"])).status_code == 200


WRONG: Final[Mapping[str, tuple[dict[str, object], tuple[int, str]]]] = {
    "other client": ({"client_id": OTHER}, (400, "invalid_grant")),
    "other port": ({"redirect_uri": "http://127.0.0.1:33419/callback"}, (400, "invalid_grant")),
    "wrong verifier": ({"code_verifier": f"{VERIFIER}x"}, (400, "invalid_grant")),
    "the challenge": ({"code_verifier": challenge_of(VERIFIER)}, (400, "invalid_grant")),
    "short verifier": ({"code_verifier": "short"}, (400, "invalid_request")),
    "no verifier": ({"code_verifier": ...}, (400, "invalid_request")),
    "no code": ({"code": ...}, (400, "invalid_request")),
    "unknown code": ({"code": "A" * 43}, (400, "invalid_grant")),
    "other wire": ({"resource": f"{BASE}/sse"}, (400, "invalid_target")),
    "wider": ({"resource": BASE}, (400, "invalid_target")),
    "other server": ({"resource": "https://other.example/mcp"}, (400, "invalid_target")),
    "no grant type": ({"grant_type": ...}, (400, "invalid_request")),
    "password": ({"grant_type": "password"}, (400, "unsupported_grant_type")),
}


@kills("auth/authorization_server/tokens/endpoint.py", "if not _proves(verifier, known.code_challenge):", "if False:")
async def test_a_code_that_is_presented_wrongly_is_refused_and_stays_valid(desktop: Installation) -> None:
    await desktop.store.oauth_clients.put(OTHER, {})
    code = await desktop.code()
    right: dict[str, object] = {"code": code}

    refusals = {name: refused(await desktop.redeem(**(right | changes))) for name, (changes, _) in WRONG.items()}

    assert refusals == {name: refusal for name, (_, refusal) in WRONG.items()}
    assert (await desktop.redeem(code)).status_code == 200


async def test_the_redirect_uri_need_not_be_repeated(desktop: Installation) -> None:
    """OAuth 2.1 (draft), section 10.2: PKCE takes its place."""
    redeemed = await desktop.redeem(code=await desktop.code(), redirect_uri=...)

    assert redeemed.status_code == 200


async def test_the_resource_may_be_repeated_in_every_spelling(desktop: Installation) -> None:
    for spelling in (MCP, f"{MCP}/", "HTTPS://Tickets.example/mcp"):
        tokens = await desktop.sign_in(resource=spelling)
        assert (await desktop.claims(tokens["access_token"]))["aud"] == MCP


async def test_a_code_for_the_whole_server_gives_a_token_for_one_resource_of_it(desktop: Installation) -> None:
    whole = replace(desktop.allowed, resource=BASE)

    tokens = await desktop.sign_in(whole, resource=MCP)

    assert (await desktop.claims(tokens["access_token"]))["aud"] == MCP
    again = answer(await desktop.refresh(tokens["refresh_token"]))
    assert (await desktop.claims(again["access_token"]))["aud"] == BASE


async def test_a_code_of_a_minute_ago_has_expired(desktop: Installation, clock: Clock) -> None:
    code = await desktop.code()
    clock.go_on(seconds=60)

    assert refused(await desktop.redeem(code)) == (400, "invalid_grant")
    assert await desktop.store.grants.all() == []


async def test_a_code_that_is_used_again_ends_the_sign_in(everywhere: Installation) -> None:
    code = await everywhere.code()
    tokens = answer(await everywhere.redeem(code))
    [grant] = await everywhere.store.grants.all()

    for changes in ({"client_id": "cli_0"}, {"code_verifier": VERIFIER + "x"}):  # a stranger ends no sign-in
        await everywhere.redeem(code, **changes)
    assert not await everywhere.is_over(grant.id)
    assert refused(await everywhere.redeem(code)) == (400, "invalid_grant")

    assert await everywhere.is_over(grant.id)
    assert refused(await everywhere.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


async def test_of_requests_with_one_code_at_once_one_succeeds_and_its_sign_in_ends(everywhere: Installation) -> None:
    code = await everywhere.code()

    responses = await asyncio.gather(*(everywhere.redeem(code) for _ in range(5)))

    assert sorted(response.status_code for response in responses) == [200, 400, 400, 400, 400]
    [grant] = await everywhere.store.grants.all()
    assert await everywhere.is_over(grant.id)


async def test_a_code_of_somebody_who_left_meanwhile_is_refused(desktop: Installation) -> None:
    code = await desktop.code()
    await desktop.store.memberships.remove(MARY, "acme")

    assert refused(await desktop.redeem(code)) == (400, "invalid_grant")


async def test_a_token_permits_only_what_the_role_permits_now(desktop: Installation) -> None:
    code = await desktop.code()
    await desktop.store.memberships.set(MARY, "acme", role="viewer")

    assert answer(await desktop.redeem(code))["scope"] == "tickets:read"

    nothing = await desktop.redeem(
        await desktop.code(replace(desktop.allowed, scopes=frozenset({Scope.TICKETS_WRITE})))
    )
    assert refused(nothing) == (400, "invalid_grant")


async def test_a_client_with_a_code_is_known_by_it(desktop: Installation) -> None:
    """Its document may not have been kept, or its registration may have been displaced."""
    tokens = await desktop.sign_in(replace(desktop.allowed, client_id=OTHER), client_id=OTHER)

    assert (await desktop.refresh(tokens["refresh_token"], client_id=OTHER)).status_code == 200
