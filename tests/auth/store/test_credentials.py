"""Lookups of presented keys, and recording their use, over both databases."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from auth.store import IdentityStore, open_store
from auth.store.key_format import parse
from auth.store.peppers import Secrets
from auth.store.records import NewKey
from auth.stored_keys import StoredKeyAuthProvider
from shared.identity import Role, Scope
from tests.auth.conftest import NEWER_SECRET, SECRET, SECRETS, Clock
from tests.auth.test_stored_keys import enter, is_let_in
from tests.kills import kills


async def test_all_that_decides_about_a_key_is_one_answer(store: IdentityStore, key: NewKey) -> None:
    stored = await store.credentials.key(key.record.public_id)

    parsed = parse(key.text)
    assert stored is not None
    assert parsed is not None
    assert SECRETS.matches(parsed.secret, stored.digest)
    assert (stored.tenant, stored.owner, stored.email) == ("acme", key.record.owner, "mika@example.com")
    assert (stored.role, stored.scopes, stored.ticket_user, stored.is_on) == (Role.AGENT, None, "user1", True)
    assert parsed.secret not in repr(stored)
    assert stored.digest.value not in repr(stored)
    assert await store.credentials.key("AAAAAAAA") is None


@kills(
    "auth/store/credentials.py",
    "memberships.c.tenant_id == api_keys.c.tenant_id",
    "memberships.c.tenant_id.is_not(None)",
)
async def test_another_tenants_membership_opens_nothing(store: IdentityStore, key: NewKey) -> None:
    await store.memberships.set("mika@example.com", "default", role="admin")
    await store.memberships.remove("mika@example.com", "acme")

    stored = await store.credentials.key(key.record.public_id)

    assert stored is not None
    assert stored.role is None


async def test_a_program_has_its_own_role_and_the_scopes_of_its_key(store: IdentityStore) -> None:
    await store.service_accounts.add("default", "importer", role="admin", ticket_user="user2")
    key = await store.keys.create("default", service_account="importer", name="cron", scopes=["tickets:write"])

    stored = await store.credentials.key(key.record.public_id)

    assert stored is not None
    assert stored.owner.startswith("svc_")
    assert (stored.role, stored.ticket_user) == (Role.ADMIN, "user2")
    assert stored.scopes == frozenset({Scope.TICKETS_WRITE})


@kills("auth/store/credentials.py", "api_keys.c.revoked_at.is_(None)", "api_keys.c.public_id.is_not(None)")
@pytest.mark.parametrize("off", ["key", "tenant", "user", "account"])
async def test_whatever_is_off_turns_the_key_off(off: str, store: IdentityStore, key: NewKey) -> None:
    account = await store.service_accounts.add("acme", "importer", role="viewer")
    program = await store.keys.create("acme", service_account="importer", name="cron")
    turn_off: dict[str, Callable[[], Awaitable[object]]] = {
        "key": lambda: store.keys.revoke(key.record.public_id),
        "tenant": lambda: store.tenants.disable("acme"),
        "user": lambda: store.users.disable("mika@example.com"),
        "account": lambda: store.service_accounts.disable("acme", account.id),
    }
    await turn_off[off]()

    are_on = []
    for public_id in (key.record.public_id, program.record.public_id):
        stored = await store.credentials.key(public_id)
        assert stored is not None
        are_on.append(stored.is_on)

    assert are_on == {"key": [False, True], "tenant": [False] * 2, "user": [False, True], "account": [True, False]}[off]


async def test_use_is_noted_once_a_minute(store: IdentityStore, key: NewKey, clock: Clock) -> None:
    provider = StoredKeyAuthProvider(store, SECRETS, seconds=clock.seconds)

    async def last_used() -> timedelta | None:
        [record] = await store.keys.all()
        return record.last_used_at - start if record.last_used_at else None

    start = clock.now
    await enter(provider, key.text)
    assert await last_used() is None, "not during the request"
    seen = []
    for seconds in (0, 59, 1):
        clock.go_on(seconds=seconds)
        await enter(provider, key.text)
        await provider.note_uses()
        seen.append(await last_used())

    assert seen == [timedelta(0), timedelta(0), timedelta(seconds=60)]


async def test_a_key_by_an_older_secret_is_hashed_anew_when_it_is_used(
    store: IdentityStore, key: NewKey, identity_url: str, clock: Clock
) -> None:
    rotated = Secrets([NEWER_SECRET, SECRET])
    async with open_store(identity_url, rotated, clock=clock) as later:
        provider = StoredKeyAuthProvider(later, rotated)
        async with provider.run():
            assert await is_let_in(provider, key.text)

        only_new = Secrets([NEWER_SECRET])
        assert await is_let_in(StoredKeyAuthProvider(later, only_new), key.text)
        assert not await is_let_in(StoredKeyAuthProvider(store, SECRETS), key.text)
