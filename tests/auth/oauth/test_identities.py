"""From a token to its owner: who they are now, in which organisation, and within which scopes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from itertools import combinations
from typing import Any, Final

import pytest

from auth.oauth.errors import NotAdmittedError
from auth.oauth.identities import StoredIdentities
from auth.oauth.tokens import VerifiedToken
from auth.store import IdentityStore
from shared.identity import AuthenticationError, Principal, Role, Scope, Tenant
from shared.storage.database import DatabaseBusyError
from tests.auth.conftest import Clock
from tests.kills import kills

ACME: Final = "https://login.acme.example"
GLOBEX: Final = "https://login.globex.example"
ANYWHERE: Final = "https://login.example"
ISSUERS: Final = {ACME: frozenset({"acme"}), GLOBEX: frozenset({"globex"}), ANYWHERE: frozenset[str]()}
MIKA: Final = "mika@example.com"
ALL: Final = ("acme", "default", "globex")
BOTH: Final = frozenset({Scope.TICKETS_READ, Scope.TICKETS_WRITE})
TOKEN: Final = VerifiedToken(
    issuer=ACME,
    subject="1",
    client_id="a-client",
    scopes=BOTH,
    audiences=frozenset(),
    email=MIKA,
    tenant=None,
    expires_at=0,
    is_program=False,
)


class Queries:
    """Counts lookups in the store, and can make them fail."""

    def __init__(self, store: IdentityStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.is_away = False
        for name in ("identity_id", "identity"):
            monkeypatch.setattr(store.credentials, name, self._counting(name, getattr(store.credentials, name)))
        monkeypatch.setattr(store.identities, "link", self._counting("link", store.identities.link))

    def _counting(self, name: str, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counting(*args: Any, **more: Any) -> Any:
            self.asked.append(name)
            if self.is_away:
                raise DatabaseBusyError
            return await ask(*args, **more)

        return counting


@pytest.fixture
async def store(sqlite_store: IdentityStore) -> IdentityStore:
    """The store with Mika, an agent of acme and a viewer of globex."""
    for tenant in ("acme", "globex"):
        await sqlite_store.tenants.add(tenant)
    await sqlite_store.users.add(MIKA)
    await sqlite_store.memberships.set(MIKA, "acme", role="agent", ticket_user="user1")
    await sqlite_store.memberships.set(MIKA, "globex", role="viewer")
    return sqlite_store


@pytest.fixture
def queries(store: IdentityStore, monkeypatch: pytest.MonkeyPatch) -> Queries:
    return Queries(store, monkeypatch)


@pytest.fixture
async def owners(queries: Queries, store: IdentityStore, clock: Clock) -> AsyncIterator[StoredIdentities]:
    owners = StoredIdentities(store, ISSUERS, seconds=clock.seconds)
    async with owners.run():
        yield owners


async def refusal_of(owners: StoredIdentities, **said: Any) -> NotAdmittedError:
    with pytest.raises(NotAdmittedError) as refused:
        await owners.principal_of(replace(TOKEN, **said))
    assert refused.value.status == 403
    return refused.value


async def is_admitted(owners: StoredIdentities, **said: Any) -> bool:
    try:
        await owners.principal_of(replace(TOKEN, **said))
    except NotAdmittedError:
        return False
    return True


async def test_a_token_stands_for_the_member_who_has_its_verified_address(
    owners: StoredIdentities, store: IdentityStore
) -> None:
    principal = await owners.principal_of(TOKEN)

    [identity] = await store.identities.all()
    assert principal == Principal(
        id=identity.owner,
        tenant=Tenant("acme"),
        scopes=BOTH,
        proof="oauth",
        credential=identity.id,
        role=Role.AGENT,
        email=MIKA,
        ticket_user="user1",
    )
    assert await owners.principal_of(replace(TOKEN, email=None)) == principal, "the subject counts from now on"
    assert await owners.is_still_valid(principal)


async def test_what_may_be_done_is_what_both_the_token_and_the_role_permit(owners: StoredIdentities) -> None:
    everything = frozenset(Scope)

    assert (await owners.principal_of(replace(TOKEN, scopes=everything))).scopes == BOTH
    assert (await owners.principal_of(replace(TOKEN, scopes=everything, issuer=GLOBEX))).scopes == {Scope.TICKETS_READ}
    only_write = await owners.principal_of(replace(TOKEN, scopes=frozenset({Scope.TICKETS_WRITE})))
    assert only_write.scopes == {Scope.TICKETS_WRITE}
    assert await owners.is_still_valid(only_write)
    assert (await owners.principal_of(replace(TOKEN, scopes=frozenset()))).scopes == frozenset()


LOOK_ALIKE: Final = "mi\N{KELVIN SIGN}a@example.com"


@pytest.mark.parametrize(
    "said",
    [
        {"email": None},
        {"email": "ken@example.com"},
        {"email": LOOK_ALIKE},
        {"is_program": True},
        {"subject": " 1"},
        {"subject": "\0"},
    ],
    ids=["no address", "another address", "a look-alike", "a program", "blanks", "not storable"],
)
async def test_an_unknown_subject_is_told_what_an_administrator_can_run(
    said: dict[str, Any], owners: StoredIdentities, store: IdentityStore
) -> None:
    assert LOOK_ALIKE.casefold() == MIKA

    refusal = await refusal_of(owners, **said)

    assert (refusal.kind, refusal.reason) == ("not_admitted", "unknown_subject")
    owner = "--tenant TENANT --service NAME" if said.get("is_program") else "--user EMAIL"
    subject = "SUBJECT" if "subject" in said else "1"
    assert f"identity add --issuer {ACME} --subject {subject} {owner}`" in str(refusal)
    assert await store.identities.all() == []


async def test_a_subject_does_not_get_into_the_shell_of_an_administrator(owners: StoredIdentities) -> None:
    refusal = await refusal_of(owners, subject="1; rm -rf ~", email=None)

    assert "--subject '1; rm -rf ~' --user" in str(refusal)


@kills("auth/oauth/identities.py", "if not served or tenant in served", "")
async def test_the_issuer_of_one_organisation_opens_no_other(owners: StoredIdentities, store: IdentityStore) -> None:
    """The same person is a member of both; the issuer decides, and its tokens open nothing else."""
    tenants = {}
    for issuer, other in ((ACME, "globex"), (GLOBEX, "acme")):
        tenants[issuer] = (await owners.principal_of(replace(TOKEN, issuer=issuer))).tenant.id
        assert (await refusal_of(owners, issuer=issuer, tenant=other)).reason == "other_tenant"
    await store.memberships.remove(MIKA, "globex")
    await store.users.add("ken@example.com")
    await store.memberships.set("ken@example.com", "acme", role="admin")

    assert tenants == {ACME: "acme", GLOBEX: "globex"}
    assert (await refusal_of(owners, issuer=GLOBEX, subject="2", email="ken@example.com")).reason == "unknown_subject"
    added = await store.identities.add(issuer=GLOBEX, subject="3", user="ken@example.com")
    refusal = await refusal_of(owners, issuer=GLOBEX, subject="3", tenant="acme")
    assert (refusal.reason, refusal.identity) == ("no_tenant", added.id)


async def test_a_member_of_several_organisations_says_in_which_they_act(owners: StoredIdentities) -> None:
    refusal = await refusal_of(owners, issuer=ANYWHERE)
    assert refusal.reason == "several_tenants"
    assert "`tenant` must name one of: acme, globex." in str(refusal)

    for tenant in ("acme", "globex"):
        principal = await owners.principal_of(replace(TOKEN, issuer=ANYWHERE, tenant=tenant))
        assert principal.tenant == Tenant(tenant)
        assert await owners.is_still_valid(principal)


@pytest.mark.parametrize("claimed", ["default", "globex", "Acme", "acme ", "realm", ""])
async def test_a_token_for_an_organisation_in_which_its_owner_cannot_act_opens_no_other(
    claimed: str, owners: StoredIdentities
) -> None:
    """The issuer serves only acme, and she is a member of it."""
    refusal = await refusal_of(owners, tenant=claimed)

    assert refusal.reason == "other_tenant"
    named = repr(claimed) if claimed else "nothing that can be read"
    assert f"`tenant` must name one of: acme. It names {named}. If your identity provider means" in str(refusal)


LEAVES: Final[dict[str, Callable[[IdentityStore], Awaitable[object]]]] = {
    "membership ended": lambda store: store.memberships.remove(MIKA, "acme"),
    "organisation disabled": lambda store: store.tenants.disable("acme"),
}


@pytest.mark.parametrize("leave", LEAVES.values(), ids=LEAVES)
async def test_a_token_for_an_organisation_that_its_owner_left_does_not_open_the_one_that_remains(
    leave: Callable[[IdentityStore], Awaitable[object]],
    owners: StoredIdentities,
    store: IdentityStore,
    clock: Clock,
) -> None:
    principal = await owners.principal_of(replace(TOKEN, issuer=ANYWHERE, tenant="acme"))
    await leave(store)
    clock.go_on(seconds=30)

    assert (await refusal_of(owners, issuer=ANYWHERE, tenant="acme")).reason == "other_tenant"
    assert not await owners.is_still_valid(principal)
    assert (await owners.principal_of(replace(TOKEN, issuer=ANYWHERE))).tenant == Tenant("globex")


async def test_a_program_acts_in_no_other_organisation_than_its_token_names(
    owners: StoredIdentities, store: IdentityStore
) -> None:
    await store.service_accounts.add("acme", "importer", role="viewer")
    await store.identities.add(issuer=ANYWHERE, subject="app", tenant="acme", service_account="importer")
    program: dict[str, Any] = {"issuer": ANYWHERE, "subject": "app", "email": None, "is_program": True}

    assert (await owners.principal_of(replace(TOKEN, tenant="acme", **program))).tenant == Tenant("acme")
    assert (await refusal_of(owners, tenant="globex", **program)).reason == "other_tenant"


@pytest.mark.parametrize("member_of", [subset for n in range(4) for subset in combinations(ALL, n)], ids=" ".join)
async def test_in_no_combination_does_a_token_open_what_its_issuer_does_not_serve(
    member_of: tuple[str, ...], owners: StoredIdentities, store: IdentityStore
) -> None:
    """Of every issuer, for a member of each set of organisations, whatever the token claims."""
    for tenant in ALL:
        if tenant in member_of:
            await store.memberships.set(MIKA, tenant, role="agent")
        elif tenant != "default":
            await store.memberships.remove(MIKA, tenant)
    for issuer, serves in ISSUERS.items():
        await store.identities.add(issuer=issuer, subject="1", user=MIKA)
        open_to_her = {tenant for tenant in member_of if not serves or tenant in serves}
        for claimed in (None, *ALL, "else"):
            expected = open_to_her & {claimed}
            if claimed is None and len(open_to_her) == 1:
                expected = open_to_her

            try:
                opened = {(await owners.principal_of(replace(TOKEN, issuer=issuer, tenant=claimed))).tenant.id}
            except NotAdmittedError:
                opened = set()

            assert opened == expected, (issuer, claimed)


async def test_a_program_is_a_service_account_and_never_a_person(
    owners: StoredIdentities, store: IdentityStore
) -> None:
    account = await store.service_accounts.add("acme", "importer", role="viewer", ticket_user="user2")
    await store.identities.add(issuer=ACME, subject="app", tenant="acme", service_account="importer")
    await store.identities.add(issuer=ACME, subject="mika", user=MIKA)
    as_itself: dict[str, Any] = {"email": None, "is_program": True}

    program = await owners.principal_of(replace(TOKEN, subject="app", **as_itself))
    unsaid = await owners.principal_of(replace(TOKEN, subject="app", email=None))

    assert program == unsaid, "not every provider says that it is a program"
    assert (program.id, program.tenant, program.email) == (account.id, Tenant("acme"), None)
    assert (program.role, program.scopes, program.ticket_user) == (
        Role.VIEWER,
        frozenset({Scope.TICKETS_READ}),
        "user2",
    )
    assert (await refusal_of(owners, subject="mika", **as_itself)).reason == "program"
    await store.identities.add(issuer=GLOBEX, subject="app", tenant="acme", service_account="importer")
    assert (await refusal_of(owners, issuer=GLOBEX, subject="app", **as_itself)).reason == "no_tenant"


Change = Callable[[IdentityStore, Principal], Awaitable[object]]
ENDS: Final[dict[str, tuple[Change, str]]] = {
    "identity removed": (lambda store, who: store.identities.remove(who.credential), "disabled"),
    "user disabled": (lambda store, who: store.users.disable(who.id), "disabled"),
    "no member": (lambda store, who: store.memberships.remove(who.id, "acme"), "no_tenant"),
    "tenant disabled": (lambda store, _: store.tenants.disable("acme"), "no_tenant"),
}


@pytest.mark.parametrize(("change", "reason"), ENDS.values(), ids=ENDS)
async def test_what_an_operator_ends_has_ended_after_thirty_seconds(
    change: Change, reason: str, owners: StoredIdentities, store: IdentityStore, clock: Clock
) -> None:
    principal = await owners.principal_of(TOKEN)
    await change(store, principal)

    clock.go_on(seconds=29.9)
    assert await is_admitted(owners)
    assert await owners.is_still_valid(principal)
    clock.go_on(seconds=0.1)

    assert not await owners.is_still_valid(principal)
    assert (await refusal_of(owners)).reason == reason


CHANGES: Final[dict[str, Change]] = {
    "role": lambda store, who: store.memberships.set(who.id, "acme", role="admin"),
    "ticket user": lambda store, who: store.memberships.set(who.id, "acme", ticket_user="user9"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_whatever_changes_about_a_member_ends_the_streams_that_were_opened_before(
    change: Change, owners: StoredIdentities, store: IdentityStore, clock: Clock
) -> None:
    principal = await owners.principal_of(TOKEN)
    await change(store, principal)
    await store.memberships.set(principal.id, "globex", role="admin")  # of another organisation: no matter
    clock.go_on(seconds=30)

    assert not await owners.is_still_valid(principal)
    assert await owners.is_still_valid(await owners.principal_of(TOKEN))


async def test_a_subject_that_was_removed_and_added_again_begins_anew(
    owners: StoredIdentities, store: IdentityStore, clock: Clock
) -> None:
    before = await owners.principal_of(TOKEN)
    await store.identities.remove(before.credential)
    await store.identities.add(issuer=ACME, subject="1", user=MIKA)
    clock.go_on(seconds=30)

    after = await owners.principal_of(TOKEN)

    assert (after.key, after.credential != before.credential) == (before.key, True)
    assert not await owners.is_still_valid(before)


async def test_fifty_requests_at_once_are_one_link_and_one_question(
    owners: StoredIdentities, queries: Queries, clock: Clock
) -> None:
    principals = await asyncio.gather(*(owners.principal_of(TOKEN) for _ in range(50)))

    assert len(set(principals)) == 1
    assert queries.asked == ["identity_id", "link", "identity"]
    clock.go_on(seconds=30)
    await owners.principal_of(TOKEN)
    assert queries.asked[3:] == ["identity_id", "identity"]


async def test_an_unknown_subject_is_asked_for_once_in_thirty_seconds(
    owners: StoredIdentities, queries: Queries, store: IdentityStore, clock: Clock
) -> None:
    for _ in range(3):
        await refusal_of(owners, email="ken@example.com")
    assert queries.asked == ["identity_id", "link"]

    await store.users.add("ken@example.com")
    await store.memberships.set("ken@example.com", "acme", role="viewer")
    clock.go_on(seconds=30)
    assert (await owners.principal_of(replace(TOKEN, email="ken@example.com"))).role == Role.VIEWER


async def test_without_the_store_known_owners_go_on_for_thirty_seconds_and_streams_for_five_minutes(
    owners: StoredIdentities, queries: Queries, clock: Clock
) -> None:
    principal = await owners.principal_of(TOKEN)
    queries.is_away = True
    clock.go_on(seconds=29.9)
    assert await owners.principal_of(TOKEN) == principal
    clock.go_on(seconds=0.1)

    for subject in ("1", "unknown"):
        with pytest.raises(AuthenticationError, match="identity store is not answering") as refused:
            await owners.principal_of(replace(TOKEN, subject=subject))
        assert (refused.value.status, refused.value.retry_after_s) == (503, 1)
    clock.go_on(seconds=269)
    assert await owners.is_still_valid(principal)
    clock.go_on(seconds=1)
    assert not await owners.is_still_valid(principal)


async def test_questions_under_way_end_before_the_store_is_closed(queries: Queries, store: IdentityStore) -> None:
    owners = StoredIdentities(store, ISSUERS)
    async with owners.run():
        asking = asyncio.create_task(owners.principal_of(TOKEN))
        await asyncio.sleep(0)
        asking.cancel()

    assert queries.asked == ["identity_id", "link"]
    assert [len(cache._asking) for cache in (owners._ids, owners._identities)] == [0, 0]
