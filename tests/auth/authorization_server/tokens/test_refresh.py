"""Refreshing keeps people signed in, whatever is lost or raced; a replay ends the sign-in, and access ends at once."""

import asyncio
from collections.abc import Mapping
from typing import Final

from auth.store.authorization.records import Served
from tests.auth.authorization_server.tokens.installation import (
    BASE,
    MARY,
    MCP,
    SERVED,
    Installation,
    answer,
    installed,
    refused,
)
from tests.auth.conftest import Clock
from tests.kills import kills

OTHER: Final = "https://other.example/client.json"


async def test_each_refresh_gives_new_tokens(desktop: Installation, clock: Clock) -> None:
    first = await desktop.sign_in()
    clock.go_on(minutes=15)

    second = answer(await desktop.refresh(first["refresh_token"]))
    third = answer(await desktop.refresh(second["refresh_token"]))

    assert len({tokens["refresh_token"] for tokens in (first, second, third)}) == 3
    claims = [await desktop.claims(tokens["access_token"]) for tokens in (first, second, third)]
    assert claims[1]["exp"] == claims[0]["exp"] + 900
    assert claims[2]["grant"] == claims[0]["grant"]
    assert claims[2]["jti"] != claims[1]["jti"]


async def test_refreshes_at_once_all_succeed_with_one_successor(everywhere: Installation) -> None:
    tokens = await everywhere.sign_in()

    responses = await asyncio.gather(*(everywhere.refresh(tokens["refresh_token"]) for _ in range(8)))

    assert {response.status_code for response in responses} == {200}
    [successor] = {answer(response)["refresh_token"] for response in responses}
    assert (await everywhere.refresh(successor)).status_code == 200


async def test_a_lost_response_can_be_asked_for_again(desktop: Installation) -> None:
    first = await desktop.sign_in()
    lost = answer(await desktop.refresh(first["refresh_token"]))

    assert answer(await desktop.refresh(first["refresh_token"]))["refresh_token"] == lost["refresh_token"]


async def test_a_replay_ends_the_sign_in(everywhere: Installation) -> None:
    first = await everywhere.sign_in()
    second = answer(await everywhere.refresh(first["refresh_token"]))
    third = answer(await everywhere.refresh(second["refresh_token"]))

    assert refused(await everywhere.refresh(first["refresh_token"])) == (400, "invalid_grant")

    assert refused(await everywhere.refresh(third["refresh_token"])) == (400, "invalid_grant")


WRONG: Final[Mapping[str, tuple[dict[str, object], tuple[int, str]]]] = {
    "other client": ({"client_id": OTHER}, (400, "invalid_grant")),
    "other wire": ({"resource": f"{BASE}/sse"}, (400, "invalid_target")),
    "other server": ({"resource": "https://other.example/mcp"}, (400, "invalid_target")),
    "wider": ({"scope": "tickets:read tickets:write tickets:admin"}, (400, "invalid_scope")),
    "none": ({"refresh_token": ...}, (400, "invalid_request")),
    "unknown": ({"refresh_token": "rft_0123456789abcdef_1_" + "A" * 43}, (400, "invalid_grant")),
    "nonsense": ({"refresh_token": "nonsense"}, (400, "invalid_grant")),
}


@kills("auth/authorization_server/tokens/endpoint.py", "if not scopes <= granted:", "if False:")
async def test_a_wrong_refresh_is_refused_and_uses_nothing_up(desktop: Installation) -> None:
    await desktop.store.oauth_clients.put(OTHER, {})
    form: dict[str, object] = {"token": (await desktop.sign_in())["refresh_token"]}

    refusals = {name: refused(await desktop.refresh(**(form | changes))) for name, (changes, _) in WRONG.items()}

    assert refusals == {name: refusal for name, (_, refusal) in WRONG.items()}
    [grant] = await desktop.store.grants.all()
    assert (grant.generation, grant.revoked_at) == (1, None)


async def test_a_scope_narrows_one_access_token(desktop: Installation) -> None:
    tokens = await desktop.sign_in()
    both = "tickets:read tickets:write"
    for asked, granted in {
        "tickets:read": "tickets:read",
        "tickets:write tickets:read offline_access openid": both,
        "offline_access": both,
        "": both,
    }.items():
        tokens = answer(await desktop.refresh(tokens["refresh_token"], scope=asked, resource=MCP))
        assert tokens["scope"] == granted
        assert (await desktop.claims(tokens["access_token"]))["scope"] == granted


async def test_a_sign_in_ends_after_sixty_days_without_use(desktop: Installation, clock: Clock) -> None:
    first = await desktop.sign_in()
    clock.go_on(days=59)
    second = answer(await desktop.refresh(first["refresh_token"]))
    clock.go_on(days=59)
    third = answer(await desktop.refresh(second["refresh_token"]))
    clock.go_on(days=61)

    assert refused(await desktop.refresh(third["refresh_token"])) == (400, "invalid_grant")


async def test_who_lost_access_loses_refresh_at_once(desktop: Installation) -> None:
    store = desktop.store
    first, second = await desktop.sign_in(), await desktop.sign_in()

    await store.memberships.set(MARY, "acme", role="viewer")
    assert answer(await desktop.refresh(first["refresh_token"]))["scope"] == "tickets:read"
    await store.memberships.remove(MARY, "acme")
    assert refused(await desktop.refresh(first["refresh_token"])) == (400, "invalid_grant")
    await store.memberships.set(MARY, "acme", role="agent")
    assert refused(await desktop.refresh(second["refresh_token"])) == (400, "invalid_grant")
    third = await desktop.sign_in()
    await store.grants.revoke_all(user=MARY, because="operator")
    assert refused(await desktop.refresh(third["refresh_token"])) == (400, "invalid_grant")


async def test_instances_share_everything(desktop: Installation) -> None:
    """Codes, refresh tokens and keys of one instance count on another, and after a restart."""
    code = await desktop.code()
    async with installed(desktop.store, desktop.allowed) as other:
        tokens = answer(await other.redeem(code))
        assert (await desktop.refresh(tokens["refresh_token"])).status_code == 200
        assert await desktop.claims(tokens["access_token"]) == await other.claims(tokens["access_token"])


async def test_a_provider_serves_only_its_organisations_also_after_the_settings_changed(desktop: Installation) -> None:
    tokens = await desktop.sign_in()

    for served in (Served(issuer="https://login.example"), Served(issuer=SERVED.issuer, tenants=frozenset({"globex"}))):
        async with installed(desktop.store, desktop.allowed, served=served) as now:
            assert refused(await now.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
            assert refused(await now.redeem(await now.code())) == (400, "invalid_grant")
    bound = Served(issuer=SERVED.issuer, tenants=frozenset({"acme", "globex"}))
    async with installed(desktop.store, desktop.allowed, served=bound) as now:
        assert (await now.refresh(tokens["refresh_token"])).status_code == 200
