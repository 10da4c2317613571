"""Export and erasure of one tenant of the identity store beside another one, on both databases."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from auth.store import IdentityStore
from auth.store.errors import AlreadyExistsError, UnknownTenantError
from auth.store.tables import metadata
from auth.store.upkeep.departure import EXPORTED, SECRET
from auth.stored_keys import StoredKeyAuthProvider
from shared.identity import AuthenticationError
from shared.storage.export_file import ExportError
from shared.time_zones import utc_now
from tests.auth.conftest import SECRETS, Clock

NOT_OF_A_TENANT = {"oauth_clients", "sign_ins", "signing_keys", "authorization_codes", "erased_tenants"}
"""Of the deployment, or gone within minutes."""


async def rows(store: IdentityStore) -> dict[str, list[str]]:
    """Return every row of every table."""
    engine = store.departures._engine
    schema = "identity." if engine.dialect.name == "postgresql" else ""
    async with engine.connect() as connection:
        return {
            name: sorted(map(str, await connection.execute(text(f"SELECT * FROM {schema}{name}"))))  # noqa: S608
            for name in metadata.tables
        }


async def fill(store: IdentityStore) -> dict[str, str]:
    """Make two tenants with a person each, one in both, a service account each, and keys; return the keys."""
    keys = {}
    for tenant in ("leaving", "staying"):
        await store.tenants.add(tenant)
        await store.tenants.set_upstream(tenant, None, key=f"upstream-key-of-{tenant}")
        for person in (f"{tenant}@example.com", "both@example.com"):
            if person != "both@example.com" or tenant == "leaving":
                await store.users.add(person)
            await store.memberships.set(person, tenant, role="agent")
        await store.service_accounts.add(tenant, f"bot-of-{tenant}", role="agent")
        await store.identities.add(
            issuer="https://issuer.example", subject=f"subject-of-{tenant}", user=f"{tenant}@example.com"
        )
        await store.domains.add(f"{tenant}.example", tenant, role="agent")
        await store.invitations.add(f"invited-by-{tenant}@example.com", tenant, role="agent")
        keys[tenant] = (await store.keys.create(tenant, user=f"{tenant}@example.com", name="laptop")).text
        await store.keys.create(tenant, user="both@example.com", name="of both")
        await store.keys.create(tenant, service_account=f"bot-of-{tenant}", name="bot")
    return keys


async def test_an_export_has_all_of_a_tenant_and_no_secret(store: IdentityStore, tmp_path: Path) -> None:
    keys = await fill(store)
    file = tmp_path / "leaving.jsonl"

    counts = await store.departures.export("leaving", file)

    content = file.read_text("utf-8")
    first, *_, last = [json.loads(line) for line in content.splitlines()]
    assert (first["export"], first["organisation"], last) == ("identities", "leaving", {"end": counts})
    assert {name: count for name, count in counts.items() if name != "audit_events"} == {
        "tenants": 1, "users": 2, "identities": 1, "api_keys": 3, "grants": 0, "memberships": 2, "service_accounts": 1,
        "tenant_domains": 1, "invitations": 1,
    }  # fmt: skip
    assert counts["audit_events"] >= 8
    assert "staying" not in content
    assert keys["leaving"] not in content
    for row in (json.loads(line).get("row", {}) for line in content.splitlines()):
        assert not SECRET & row.keys()
    with pytest.raises(ExportError):
        await store.departures.export("leaving", file)
    with pytest.raises(UnknownTenantError):
        await store.departures.export("unknown", tmp_path / "unknown.jsonl")


def test_every_table_is_exported_or_belongs_to_no_tenant() -> None:
    assert metadata.tables.keys() == EXPORTED.keys() | NOT_OF_A_TENANT


async def test_an_erased_tenant_leaves_nothing_but_recent_audit_events(store: IdentityStore) -> None:
    await fill(store)
    before = await rows(store)

    await store.departures.erase("leaving")

    after = await rows(store)
    left = {name: [row for row in found if "leaving" in row] for name, found in after.items()}
    assert {name for name, found in left.items() if found} == {"audit_events", "erased_tenants"}
    for name in after.keys() - {"audit_events", "erased_tenants"}:
        assert set(after[name]) <= set(before[name])
        assert {row for row in before[name] if "staying" in row} <= set(after[name])
    assert [row for row in after["users"] if "both@example.com" in row]
    assert (len(after["users"]), len(after["api_keys"]), len(after["memberships"])) == (2, 3, 2)
    (event,) = [row for row in after["audit_events"] if "tenant_erased" in row]
    assert "leaving" in event


async def test_audit_events_go_once_their_90_days_are_over(store: IdentityStore, clock: Clock) -> None:
    clock.now = utc_now() - timedelta(days=92)
    await fill(store)
    clock.now = utc_now()
    await store.departures.erase("leaving")
    named = [row for row in (await rows(store))["audit_events"] if "leaving" in row]
    assert len(named) == 1, named  # the record of the erasure


async def test_an_erased_id_is_not_given_to_another_tenant(store: IdentityStore) -> None:
    await fill(store)
    await store.departures.erase("leaving")

    with pytest.raises(AlreadyExistsError, match="was erased"):
        await store.tenants.add("leaving")
    with pytest.raises(UnknownTenantError):
        await store.departures.erase("leaving")


async def test_the_default_tenant_is_emptied_and_stays(store: IdentityStore) -> None:
    await store.first_key("root@example.com")
    await store.departures.erase("default")

    left = await rows(store)
    assert (left["users"], left["api_keys"], left["erased_tenants"]) == ([], [], [])
    assert [one.id for one in await store.tenants.all()] == ["default"]
    await store.first_key("root@example.com")


async def test_a_running_server_refuses_its_keys_once_its_cache_is_over(store: IdentityStore, clock: Clock) -> None:
    keys = await fill(store)
    server = StoredKeyAuthProvider(store, SECRETS, cache_s=30, seconds=clock.seconds)
    principal = await server.owner_of(keys["leaving"])

    await store.departures.erase("leaving")
    clock.go_on(seconds=31)

    assert not await server.is_still_valid(principal)
    with pytest.raises(AuthenticationError):
        await server.owner_of(keys["leaving"])
    assert (await server.owner_of(keys["staying"])).tenant.id == "staying"
