"""The operations of an operator on the identity store, over both databases."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from auth.store import IdentityStore
from auth.store.errors import AlreadyExistsError, NotUsableError, UnknownError
from auth.store.key_format import parse
from auth.store.records import KeyState, UpstreamKey
from shared.errors import InvalidInputError, TicketServerError
from shared.identity import Role, Scope
from shared.storage.database import DatabaseFullError
from tests.auth.conftest import NOW, Clock
from tests.kills import kills


async def actions(store: IdentityStore) -> list[str]:
    return [event.action async for event in store.audit.events()]


async def everything(store: IdentityStore) -> list[object]:
    return [
        await store.users.all(), await store.memberships.all(), await store.keys.all(), await store.tenants.all(),
        await actions(store),
    ]  # fmt: skip


async def test_the_first_key_makes_all_that_is_missing(store: IdentityStore) -> None:
    key = await store.first_key("Mika@Example.com", tenant="acme")

    assert key.record.owner_name == "mika@example.com"
    assert key.record.expires_at == NOW + timedelta(days=90)
    assert [tenant.id for tenant in await store.tenants.all()] == ["acme", "default"]
    assert [(m.tenant, m.email, m.role) for m in await store.memberships.all()] == [
        ("acme", "mika@example.com", Role.ADMIN)
    ]
    assert set(await actions(store)) == {"tenant_added", "user_added", "membership_set", "key_created"}


async def test_the_first_key_takes_what_is_there(store: IdentityStore) -> None:
    await store.users.add("mika@example.com")
    await store.memberships.set("mika@example.com", "default", role="viewer", ticket_user="user1")

    await store.first_key("mika@example.com")

    [member] = await store.memberships.all()
    assert (member.role, member.ticket_user) == (Role.ADMIN, "user1")
    assert len(await store.users.all()) == 1


async def test_a_second_first_key_is_refused_and_says_how_to_get_a_further_key(store: IdentityStore) -> None:
    await store.first_key("mika@example.com")
    before = await everything(store)

    for email in ("mary@example.com", "mika@example.com", "Mika@Example.com"):
        with pytest.raises(AlreadyExistsError) as refused:
            await store.first_key(email)
        assert "`python -m auth key add --tenant default --user mika@example.com`" in str(refused.value)
        assert f"auth first-key {email} --tenant default --another" in str(refused.value)
        assert "Nothing was changed" in str(refused.value)

    assert await everything(store) == before


async def test_another_administrator_is_made_where_that_is_said(store: IdentityStore) -> None:
    await store.first_key("mika@example.com")

    made = [await store.first_key(email, another=True) for email in ("mary@example.com", "mika@example.com")]

    assert [key.record.owner_name for key in made] == ["mary@example.com", "mika@example.com"]
    assert {(one.email, one.role) for one in await store.memberships.all()} == {
        ("mary@example.com", Role.ADMIN), ("mika@example.com", Role.ADMIN),
    }  # fmt: skip


@pytest.mark.parametrize(
    "gone", ["revoked", "expired", "disabled", "demoted", "removed", "elsewhere", "program", "agent"]
)
async def test_without_an_administrator_who_can_get_in_the_first_key_is_made_again(
    sqlite_store: IdentityStore, clock: Clock, gone: str
) -> None:
    store = sqlite_store
    await store.tenants.add("acme", name="ACME")
    if gone == "program":
        await store.service_accounts.add("default", "importer", role="admin")
        await store.keys.create("default", service_account="importer", name="cron")
    elif gone == "agent":
        await store.users.add("mika@example.com")
        await store.memberships.set("mika@example.com", "default", role="agent")
        await store.keys.create("default", user="mika@example.com", name="laptop")
    else:
        key = await store.first_key("mika@example.com", tenant="acme" if gone == "elsewhere" else "default")
        match gone:
            case "revoked":
                await store.keys.revoke(key.record.public_id)
            case "expired":
                clock.go_on(days=90)
            case "disabled":
                await store.users.disable("mika@example.com")
            case "demoted":
                await store.memberships.set("mika@example.com", "default", role="viewer")
            case "removed":
                await store.memberships.remove("mika@example.com", "default")

    made = await store.first_key("mary@example.com")

    assert (made.record.tenant, made.record.owner_name) == ("default", "mary@example.com")


async def test_an_administrator_of_another_organisation_with_a_key_here_counts_for_their_own(
    sqlite_store: IdentityStore,
) -> None:
    await sqlite_store.first_key("mika@example.com", tenant="acme")
    await sqlite_store.memberships.set("mika@example.com", "default", role="viewer")
    await sqlite_store.keys.create("default", user="mika@example.com", name="laptop")

    assert (await sqlite_store.first_key("mary@example.com")).record.tenant == "default"


@kills("auth/store/queries.py", "== tenant_id).with_for_update()", "== tenant_id)")
async def test_of_two_first_keys_at_once_one_is_made(store: IdentityStore) -> None:
    async def make(email: str) -> bool:
        try:
            await store.first_key(email)
        except AlreadyExistsError:
            return False
        return True

    assert sorted(await asyncio.gather(*(make(f"{n}@example.com") for n in range(4)))) == [False] * 3 + [True]
    assert len(await store.keys.all()) == 1


async def test_a_first_key_that_fails_leaves_nothing_behind(store: IdentityStore) -> None:
    with pytest.raises(InvalidInputError, match="366 days"):
        await store.first_key("mika@example.com", tenant="acme", life=timedelta(days=400))

    assert await store.users.all() == []
    assert [tenant.id for tenant in await store.tenants.all()] == ["default"]
    assert await actions(store) == []


@kills("auth/store/queries.py", '    if row["disabled_at"] is not None:', "    if False:")
async def test_a_disabled_tenant_gets_no_keys(store: IdentityStore) -> None:
    await store.first_key("mika@example.com")
    await store.tenants.disable("default")

    with pytest.raises(NotUsableError, match="Enable it first"):
        await store.first_key("mika@example.com")
    with pytest.raises(NotUsableError, match="Enable it first"):
        await store.keys.create("default", user="mika@example.com", name="laptop")


async def test_a_key_of_a_service_account_is_listed_without_its_secret(store: IdentityStore, clock: Clock) -> None:
    await store.tenants.add("acme", name="ACME")
    await store.service_accounts.add("acme", "importer", role="agent", ticket_user="user2")

    new = await store.keys.create("acme", service_account="importer", name="cron", scopes=["tickets:read"])

    parsed = parse(new.text)
    assert parsed is not None
    [listed] = await store.keys.all(tenant="acme")
    assert listed == new.record
    assert (listed.public_id, listed.owner_name, listed.scopes) == (
        parsed.public_id,
        "importer",
        frozenset({Scope.TICKETS_READ}),
    )
    assert parsed.secret not in repr(new) + repr(listed) + repr(parsed)
    clock.go_on(days=90)
    assert [key.state for key in await store.keys.all()] == [KeyState.EXPIRED]


async def test_what_is_listed_is_of_the_tenant_that_was_asked_for(store: IdentityStore) -> None:
    for tenant in ("acme", "other"):
        await store.first_key(f"{tenant}@example.com", tenant=tenant)
        await store.service_accounts.add(tenant, "importer", role="viewer")

    for tenant in ("acme", "other"):
        assert [account.tenant for account in await store.service_accounts.all(tenant=tenant)] == [tenant]
        assert [member.email for member in await store.memberships.all(tenant=tenant)] == [f"{tenant}@example.com"]
        assert [key.tenant for key in await store.keys.all(tenant=tenant)] == [tenant]
        assert [key.tenant for key in await store.keys.all(user=f"{tenant}@example.com")] == [tenant]
    assert len(await store.service_accounts.all()) == len(await store.keys.all()) == 2
    with pytest.raises(UnknownError):
        await store.service_accounts.all(tenant="unknown")


async def test_a_name_that_looks_like_an_id_is_refused(sqlite_store: IdentityStore) -> None:
    with pytest.raises(InvalidInputError, match="the prefix of ids"):
        await sqlite_store.service_accounts.add("default", "svc_1", role="viewer")


async def test_a_revoked_key_stays_in_the_list(store: IdentityStore) -> None:
    key = await store.first_key("mika@example.com")

    revoked = await store.keys.revoke(key.record.public_id)
    again = await store.keys.revoke(key.record.public_id)

    assert revoked == again
    assert [listed.state for listed in await store.keys.all(user="mika@example.com")] == [KeyState.REVOKED]
    assert (await actions(store)).count("key_revoked") == 1
    with pytest.raises(NotUsableError, match="create a new one"):
        await store.keys.rotate(key.record.public_id)


async def test_a_rotated_key_ends_when_the_overlap_does(store: IdentityStore, clock: Clock) -> None:
    old = await store.first_key("mika@example.com")
    clock.go_on(days=1)

    new = await store.keys.rotate(old.record.public_id, overlap=timedelta(days=2))

    ends = {key.public_id: key.expires_at - clock.now for key in await store.keys.all()}
    assert ends == {old.record.public_id: timedelta(days=2), new.record.public_id: timedelta(days=90)}
    clock.go_on(days=1)
    await store.keys.rotate(old.record.public_id, overlap=timedelta(days=7))
    [rotated] = [key for key in await store.keys.all() if key.public_id == old.record.public_id]
    assert rotated.expires_at - clock.now == timedelta(days=1), "an overlap never makes a key live longer"


async def test_the_same_thing_is_not_added_twice(store: IdentityStore) -> None:
    await store.tenants.add("acme")
    await store.users.add("mika@example.com")
    await store.users.add("ken@example.com")
    await store.identities.add(user="mika@example.com", issuer="https://idp.example", subject="1")
    await store.service_accounts.add("acme", "importer", role="viewer")
    before = await actions(store)
    twice: list[Callable[[], Awaitable[object]]] = [
        lambda: store.tenants.add("acme"),
        lambda: store.users.add("MIKA@example.com "),
        lambda: store.identities.add(user="ken@example.com", issuer="https://idp.example", subject="1"),
        lambda: store.service_accounts.add("acme", "importer", role="agent"),
    ]

    assert (await store.tenants.enable("default")).disabled_at is None, "unchanged, so nothing is audited"
    for attempt in twice:
        with pytest.raises(AlreadyExistsError):
            await attempt()

    assert await actions(store) == before


async def test_what_is_not_there_is_named(store: IdentityStore) -> None:
    await store.users.add("mika@example.com")
    unknown: dict[str, Callable[[], Awaitable[object]]] = {
        "unknown_tenant": lambda: store.tenants.disable("acme"),
        "unknown_user": lambda: store.users.disable("ken@example.com"),
        "unknown_service_account": lambda: store.service_accounts.disable("default", "importer"),
        "unknown_membership": lambda: store.keys.create("default", user="mika@example.com", name="laptop"),
        "unknown_key": lambda: store.keys.revoke("AAAAAAAA"),
    }

    for kind, attempt in unknown.items():
        with pytest.raises(UnknownError) as refused:
            await attempt()
        assert refused.value.kind == kind


@pytest.mark.parametrize("owner", [{}, {"user": "mika@example.com", "service_account": "importer"}])
async def test_a_key_has_exactly_one_owner(sqlite_store: IdentityStore, owner: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="exactly one"):
        await sqlite_store.keys.create("default", name="laptop", **owner)


@kills("auth/validation.py", "if not wanted or not wanted <= set(allowed):", "if not wanted:")
async def test_a_key_has_no_scope_that_its_owner_lacks(sqlite_store: IdentityStore) -> None:
    await sqlite_store.service_accounts.add("default", "reader", role="viewer")

    with pytest.raises(InvalidInputError, match="tickets:read"):
        await sqlite_store.keys.create("default", service_account="reader", name="x", scopes=["tickets:write"])


async def test_people_and_programs_are_disabled_and_enabled_once(store: IdentityStore) -> None:
    user = await store.users.add("mika@example.com")
    account = await store.service_accounts.add("default", "importer", role="viewer")
    await store.memberships.set(user.id, "default", role="agent")

    for _ in range(2):
        assert (await store.users.disable(user.id)).disabled_at == NOW
        assert (await store.service_accounts.disable("default", account.id)).disabled_at == NOW
    with pytest.raises(NotUsableError, match="Enable them first"):
        await store.first_key("mika@example.com")
    with pytest.raises(NotUsableError, match="is disabled"):
        await store.keys.create("default", user=user.id, name="laptop")
    for _ in range(2):
        assert (await store.users.enable(user.id)).disabled_at is None
        assert (await store.service_accounts.enable("default", "importer")).disabled_at is None

    done = await actions(store)
    assert [done.count(f"{noun}_{how}") for noun in ("user", "service_account") for how in ("disabled", "enabled")] == [
        1
    ] * 4


async def test_a_program_becomes_what_it_is_set_to_and_no_other_does(store: IdentityStore) -> None:
    await store.service_accounts.add("default", "importer", role="agent", ticket_user="user2")
    await store.service_accounts.add("default", "reporter", role="viewer", ticket_user="user3")

    changed = await store.service_accounts.set("default", "importer", role="viewer", ticket_user="")

    assert (changed.role, changed.ticket_user) == (Role.VIEWER, None)
    assert [(one.role, one.ticket_user) for one in await store.service_accounts.all()] == [
        (Role.VIEWER, None),
        (Role.VIEWER, "user3"),
    ]
    assert (await actions(store)).count("service_account_set") == 1
    with pytest.raises(UnknownError, match="no service account"):
        await store.service_accounts.set("default", "unknown", role="viewer")


async def test_a_membership_can_be_ended(store: IdentityStore) -> None:
    await store.users.add("mika@example.com")
    await store.memberships.set("mika@example.com", "default", role="agent", ticket_user="user1")
    await store.memberships.set("mika@example.com", "default", role="viewer", ticket_user="")
    [member] = await store.memberships.all(tenant="default")
    assert (member.role, member.ticket_user) == (Role.VIEWER, None)

    await store.memberships.remove("mika@example.com", "default")

    assert await store.memberships.all() == []
    with pytest.raises(UnknownError, match="not a member"):
        await store.memberships.remove("mika@example.com", "default")


@kills("auth/store/tenants.py", "upstream_key_sealed=sealed.text if sealed else None", "upstream_key_sealed=key")
async def test_an_upstream_key_is_sealed_and_shown_to_no_one(store: IdentityStore) -> None:
    key = "the-key-of-acmes-own-ticket-api"
    await store.tenants.add("acme")

    shown = await store.tenants.set_upstream("acme", "https://tickets.acme.example/", key=key)

    assert (shown.upstream_address, shown.upstream_key) == ("https://tickets.acme.example", UpstreamKey.SEALED)
    stored = await store.credentials.upstream("acme")
    events = [event async for event in store.audit.events()]
    async with store.tenants._transactions.reading() as connection:
        rows = (await connection.execute(text(f"SELECT * FROM {schema_of(connection.dialect.name)}tenants"))).all()  # noqa: S608 - a constant
    assert key not in f"{shown}{stored}{events}{rows}"
    cleared = await store.tenants.clear_upstream("acme")
    assert (cleared.upstream_address, cleared.upstream_key) == (None, UpstreamKey.NONE)


def schema_of(dialect: str) -> str:
    return "identity." if dialect == "postgresql" else ""


async def test_an_upstream_key_is_given_once(sqlite_store: IdentityStore) -> None:
    wrong_ones: list[dict[str, Any]] = [
        {"key": "a", "key_ref": "env:A"},
        {"key": " "},
        {"key_ref": "secret"},
        {"key_ref": "file:relative"},
    ]
    for wrong in wrong_ones:
        with pytest.raises(TicketServerError, match="upstream key"):
            await sqlite_store.tenants.set_upstream("default", "https://t.example", **wrong)


@kills("auth/store/transactions.py", "await append(connection, change.events)", "pass")
async def test_every_change_is_audited_as_its_actor(store: IdentityStore) -> None:
    await store.first_key("mika@example.com")

    events = [event async for event in store.audit.events()]

    assert {(event.actor, event.outcome, event.at) for event in events} == {("cli", "ok", NOW)}


async def test_a_full_disk_is_told_by_changes_and_by_the_check(sqlite_store: IdentityStore) -> None:
    await sqlite_store.check()
    engine = sqlite_store._transactions._database.engine.sync_engine

    @event.listens_for(engine, "begin")
    def no_more_pages(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # below the current size, so that becomes the limit

    async def fill() -> None:
        for number in range(1000):
            await sqlite_store.users.add(f"user{number}@example.com", name="x" * 200)

    with pytest.raises(DatabaseFullError, match=r"The disk of the database is full\. Nothing was changed"):
        await fill()
    sqlite_store._write_check._asked_at = float("-inf")
    with pytest.raises(DatabaseFullError):
        await sqlite_store.check()


async def test_the_check_leaves_nothing_behind(store: IdentityStore) -> None:
    before = await everything(store)

    await store.check()

    assert await everything(store) == before
