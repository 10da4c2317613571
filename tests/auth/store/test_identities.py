"""Subjects of identity providers: who they are is one answer, and an address links each user once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

import pytest
from alembic import command
from sqlalchemy import Column, Connection, MetaData, String, Table, insert, text

from auth.store import IdentityStore, open_store
from auth.store.errors import AlreadyExistsError, UnknownIdentityError, UnknownUserError
from auth.store.migrate import MIGRATIONS, in_schema
from auth.store.records import StoredMembership
from auth.store.tables import users
from auth.store.transactions import AuditedChange, AuditedTransactions
from shared.errors import InvalidInputError
from shared.identity import Role
from shared.storage.database import UTCDateTime, open_engine, resolve_url
from tests.auth.conftest import NOW, SECRETS
from tests.databases import Postgres, PostgresDatabase
from tests.kills import kills

ISSUER: Final = "https://login.acme.example"
OTHER: Final = "https://login.globex.example/"
MIKA: Final = "mika@example.com"


@pytest.fixture
async def mika(store: IdentityStore) -> IdentityStore:
    """The store with Mika, an agent of acme."""
    await store.tenants.add("acme")
    await store.tenants.add("globex")
    await store.users.add(MIKA)
    await store.memberships.set(MIKA, "acme", role="agent", ticket_user="user1")
    return store


async def link(store: IdentityStore, subject: str = "1", **changed: Any) -> str | None:
    return await store.identities.link(
        **{"issuer": ISSUER, "subject": subject, "email": MIKA, "tenants": {"acme"}, **changed}
    )


async def test_all_that_decides_about_a_user_is_one_answer(mika: IdentityStore) -> None:
    await mika.memberships.set(MIKA, "globex", role="viewer")
    await mika.memberships.set(MIKA, "default", role="admin")
    await mika.tenants.disable("default")

    added = await mika.identities.add(issuer=ISSUER, subject="1", user=MIKA)
    stored = await mika.credentials.identity(added.id)

    assert added.id.startswith("idn_")
    assert (added.owner_name, added.tenant, added.created_at, added.removed_at) == (MIKA, None, NOW, None)
    assert await mika.credentials.identity_id(ISSUER, "1") == added.id
    assert stored is not None
    assert (stored.id, stored.issuer, stored.owner, stored.email) == (added.id, ISSUER, added.owner, MIKA)
    assert stored.memberships == {
        "acme": StoredMembership(Role.AGENT, "user1"),
        "globex": StoredMembership(Role.VIEWER, None),
    }
    assert stored.is_on
    await mika.memberships.remove(MIKA, "globex")
    await mika.memberships.remove(MIKA, "acme")
    alone = await mika.credentials.identity(added.id)
    assert alone is not None
    assert alone.memberships == {}


async def test_a_program_has_the_role_of_its_service_account(mika: IdentityStore) -> None:
    account = await mika.service_accounts.add("acme", "importer", role="viewer", ticket_user="user2")

    added = await mika.identities.add(issuer=ISSUER, subject="app", tenant="acme", service_account="importer")
    stored = await mika.credentials.identity(added.id)

    assert (added.owner, added.owner_name, added.tenant) == (account.id, "importer", "acme")
    assert stored is not None
    assert (stored.owner, stored.email) == (account.id, None)
    assert stored.memberships == {"acme": StoredMembership(Role.VIEWER, "user2")}
    await mika.tenants.disable("acme")
    closed = await mika.credentials.identity(added.id)
    assert closed is not None
    assert closed.memberships == {}


@pytest.mark.parametrize("off", ["identity", "user", "account"])
async def test_whatever_is_off_turns_the_identity_off(off: str, mika: IdentityStore) -> None:
    await mika.service_accounts.add("acme", "importer", role="viewer")
    person = await mika.identities.add(issuer=ISSUER, subject="1", user=MIKA)
    program = await mika.identities.add(issuer=ISSUER, subject="app", tenant="acme", service_account="importer")
    turn_off: dict[str, Callable[[], Awaitable[object]]] = {
        "identity": lambda: mika.identities.remove(person.id),
        "user": lambda: mika.users.disable(MIKA),
        "account": lambda: mika.service_accounts.disable("acme", "importer"),
    }
    await turn_off[off]()

    stored = [await mika.credentials.identity(each.id) for each in (person, program)]

    assert [each is not None and each.is_on for each in stored] == [off == "account", off != "account"]


async def test_a_subject_is_exact_and_belongs_to_one_owner(mika: IdentityStore) -> None:
    await mika.users.add("ken@example.com")
    await mika.identities.add(issuer=ISSUER, subject="a", user=MIKA)
    for issuer, subject in ((OTHER, "a"), (ISSUER, "A"), (f"{ISSUER}/", "a")):
        assert await mika.credentials.identity_id(issuer, subject) is None
        await mika.identities.add(issuer=issuer, subject=subject, user="ken@example.com")

    with pytest.raises(AlreadyExistsError, match="Each belongs to one"):
        await mika.identities.add(issuer=ISSUER, subject="a", user="ken@example.com")
    assert len(await mika.identities.all()) == 4


async def test_a_removed_identity_stays_in_the_list_and_only_an_operator_links_it_again(mika: IdentityStore) -> None:
    added = await mika.identities.add(issuer=ISSUER, subject="1", user=MIKA)

    for _ in range(2):
        removed = await mika.identities.remove(added.id)
    assert removed.removed_at == NOW
    assert await mika.identities.all() == [removed]
    assert await mika.credentials.identity_id(ISSUER, "1") == added.id
    assert await link(mika, "2") is None, "an address does not bring back what was removed"

    again = await mika.identities.add(issuer=ISSUER, subject="1", user=MIKA)
    assert (again.owner, again.removed_at) == (added.owner, None)
    assert again.id != added.id, "streams of the removed one do not go on"
    assert await mika.credentials.identity(added.id) is None
    actions = [event.action async for event in mika.audit.events()]
    assert [actions.count(f"identity_{done}") for done in ("added", "removed")] == [2, 1]
    with pytest.raises(UnknownIdentityError, match="idn_"):
        await mika.identities.remove(added.id)


async def test_an_address_links_a_member_of_what_the_issuer_serves(mika: IdentityStore) -> None:
    linked = await link(mika, email="Mika@Example.com")
    anywhere = await link(mika, issuer=OTHER, tenants=())

    listed = await mika.identities.all(user=MIKA)
    assert [(each.id, each.issuer, each.owner_name) for each in listed] == [
        (linked, ISSUER, MIKA),
        (anywhere, OTHER, MIKA),
    ]
    added = [event async for event in mika.audit.events() if event.action == "identity_added"]
    assert [event.object for event in added] == [listed[0].owner] * 2
    assert f"{linked}: {ISSUER}, by e-mail address" in {event.detail for event in added}


STRANGERS: Final[dict[str, dict[str, Any]]] = {
    "of no user": {"email": "ken@example.com"},
    "of no member": {"tenants": {"globex", "default"}},
    "of a user who is no member at all": {"email": "lone@example.com", "tenants": ()},
    "of a disabled user": {"email": "off@example.com"},
}


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
async def test_any_other_address_links_nothing(stranger: dict[str, Any], mika: IdentityStore) -> None:
    await mika.users.add("lone@example.com")
    await mika.users.add("off@example.com")
    await mika.memberships.set("off@example.com", "acme", role="agent")
    await mika.users.disable("off@example.com")

    assert await link(mika, **stranger) is None
    assert await mika.identities.all() == []


async def test_what_is_not_linked_does_not_write(mika: IdentityStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sign-in of a stranger would otherwise keep writes of others waiting."""
    linked = await link(mika)
    written = 0
    changing = AuditedTransactions.changing

    def counting(self: AuditedTransactions) -> AbstractAsyncContextManager[AuditedChange]:
        nonlocal written
        written += 1
        return changing(self)

    monkeypatch.setattr(AuditedTransactions, "changing", counting)
    for stranger in ({"email": "ken@example.com"}, {"tenants": {"globex"}, "issuer": OTHER}, {"subject": "2"}):
        assert await link(mika, **stranger) is None
    assert await link(mika) == linked, "it was linked on another instance meanwhile"
    assert written == 0
    assert await link(mika, issuer=OTHER) is not None
    assert written == 1


@kills("auth/store/identities.py", "if known or not (", "if not (")
async def test_an_address_that_was_given_to_another_person_does_not_open_the_account(mika: IdentityStore) -> None:
    assert await link(mika, "1")

    assert await link(mika, "2") is None
    assert [each.subject for each in await mika.identities.all()] == ["1"]


async def test_two_subjects_with_one_address_at_once_are_one_identity(mika: IdentityStore) -> None:
    linked = await asyncio.gather(*(link(mika, f"{number}") for number in range(20)))

    assert len([each for each in linked if each is not None]) == 1
    assert len(await mika.identities.all()) == 1


async def test_one_subject_that_comes_to_several_instances_at_once_is_linked_once(mika: IdentityStore) -> None:
    linked = await asyncio.gather(*(link(mika) for _ in range(20)))

    [identity] = await mika.identities.all()
    assert linked == [identity.id] * 20


async def test_what_is_listed_is_of_the_tenant_or_the_user_that_was_asked_for(mika: IdentityStore) -> None:
    await mika.users.add("ken@example.com")
    await mika.memberships.set("ken@example.com", "globex", role="viewer")
    for tenant in ("acme", "globex"):
        await mika.service_accounts.add(tenant, "importer", role="viewer")
        await mika.identities.add(issuer=ISSUER, subject=tenant, tenant=tenant, service_account="importer")
    for email in ("ken@example.com", MIKA):
        await mika.identities.add(issuer=ISSUER, subject=email, user=email)

    assert [each.subject for each in await mika.identities.all(tenant="acme")] == ["acme", MIKA]
    assert [each.subject for each in await mika.identities.all(user=MIKA)] == [MIKA]
    with pytest.raises(UnknownUserError):
        await mika.identities.all(user="mary@example.com")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"issuer": "login.acme.example", "user": MIKA}, "address of an identity provider"),
        ({"issuer": f"{ISSUER} ", "user": MIKA}, "address of an identity provider"),
        ({"issuer": f"{ISSUER}?a=b", "user": MIKA}, "address of an identity provider"),
        ({"subject": "", "user": MIKA}, "claim `sub`"),
        ({"subject": " 1", "user": MIKA}, "claim `sub`"),
        ({"subject": "x" * 256, "user": MIKA}, "claim `sub`"),
        ({}, "name one"),
        ({"user": MIKA, "tenant": "acme", "service_account": "importer"}, "name one"),
        ({"service_account": "importer"}, "name one"),
        ({"user": MIKA, "tenant": "acme"}, "name one"),
    ],
)
async def test_what_cannot_be_an_identity_says_why(
    wrong: dict[str, str], said: str, sqlite_store: IdentityStore
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        await sqlite_store.identities.add(**{"issuer": ISSUER, "subject": "1", **wrong})


def to_first_version(connection: Connection) -> None:
    """Make the tables of the version before, with two identities of one user."""
    config = MIGRATIONS._config()
    config.attributes["connection"] = connection
    command.upgrade(config, "identity_0001")
    user = {"id": "usr_1", "email": MIKA, "name": "Mika", "created_at": NOW}
    connection.execute(insert(users).values(**user))
    before = Table(
        "identities", MetaData(), *(Column(name, String) for name in ("issuer", "subject", "user_id")),
        Column("created_at", UTCDateTime),
    )  # fmt: skip
    of_user = {"issuer": ISSUER, "user_id": "usr_1", "created_at": NOW}
    connection.execute(insert(before).values([{**of_user, "subject": subject} for subject in ("1", "2")]))


async def migrate_from_first_version(url: str, role: str | None = None) -> None:
    async with open_engine(resolve_url(url)) as engine, in_schema(engine).begin() as connection:
        await connection.run_sync(to_first_version)
        if role is not None:
            await connection.execute(text(f'GRANT USAGE ON SCHEMA identity TO "{role}"'))
            await connection.execute(text(f'GRANT SELECT ON ALL TABLES IN SCHEMA identity TO "{role}"'))
    async with open_store(url, SECRETS):
        pass


@pytest.fixture
async def bare_postgres(postgres: Postgres) -> AsyncIterator[PostgresDatabase]:
    """A database without tables, in which the application has no rights yet."""
    database = await postgres.create(may_use_tables=False)
    yield database
    await postgres.drop(database)


@pytest.fixture(params=["sqlite", "postgresql"])
def owner_and_application(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The URLs of a new database for its owner and for the server."""
    if request.param == "sqlite":
        url = f"sqlite:///{(tmp_path / 'identity.sqlite3').as_posix()}"
        return url, url
    database: PostgresDatabase = request.getfixturevalue("bare_postgres")
    return database.owner_url, database.application_url


async def test_identities_of_the_version_before_are_kept_and_so_are_the_rights_of_the_server(
    owner_and_application: tuple[str, str], postgres: Postgres
) -> None:
    owner, application = owner_and_application
    async with open_engine(resolve_url(owner)) as engine, in_schema(engine).begin() as connection:
        await connection.run_sync(to_first_version)
        if engine.dialect.name == "postgresql":
            await connection.execute(text(f'GRANT USAGE ON SCHEMA identity TO "{postgres.application}"'))
            await connection.execute(text(f'GRANT SELECT ON ALL TABLES IN SCHEMA identity TO "{postgres.application}"'))
    async with open_store(owner, SECRETS):
        pass

    async with open_store(application, SECRETS) as store:
        kept = await store.identities.all()

    assert [(each.subject, each.owner, each.owner_name) for each in kept] == [
        ("1", "usr_1", MIKA),
        ("2", "usr_1", MIKA),
    ]
    assert len({each.id for each in kept}) == 2
