"""Who is admitted at sign-in: by an account that is known, an address, an invitation or a domain, in this order."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Final

import pytest

from auth.store import IdentityStore
from auth.store.transactions import AuditedChange, AuditedTransactions
from tests.auth.conftest import Clock
from tests.auth.store.authorization.people import EVERY, MANAGED, MARY, Person, organisations, outcome, roles
from tests.kills import kills

ACME: Final = frozenset({"acme"})


@pytest.fixture
async def acme(store: IdentityStore) -> IdentityStore:
    return await organisations(store, "acme", "globex")


@pytest.fixture
async def small(sqlite_store: IdentityStore) -> IdentityStore:
    """One database, for what does not depend on it."""
    return await organisations(sqlite_store, "acme", "globex")


async def actions(store: IdentityStore) -> list[str]:
    return [event.action async for event in store.audit.events()]


async def test_an_invited_person_becomes_a_member_at_the_first_sign_in(acme: IdentityStore) -> None:
    invited = await acme.invitations.add("Mary@Acme.Example", "acme", role="agent")

    admitted = await acme.admission.admit(Person(email="MARY@acme.example"), tenants=EVERY)

    assert admitted.email == MARY
    assert {tenant: (each.role, each.tenant_name) for tenant, each in admitted.memberships.items()} == {
        "acme": ("agent", "Acme")
    }
    [user] = await acme.users.all()
    [identity] = await acme.identities.all()
    [accepted] = await acme.invitations.all()
    assert (user.id, user.name, identity.id, identity.owner) == (
        admitted.user, "Mary Major", admitted.identity, admitted.user,
    )  # fmt: skip
    assert (accepted.id, accepted.state) == (invited.id, "accepted")
    done = [event async for event in acme.audit.events() if event.action == "invitation_accepted"]
    assert [(event.tenant, event.object, event.detail) for event in done] == [("acme", user.id, invited.id)]
    before = await actions(acme)
    assert await acme.admission.admit(Person(email=None), tenants=EVERY) == admitted, "then the account is known"
    assert await actions(acme) == before


async def test_an_account_of_a_domain_joins_its_organisation(acme: IdentityStore) -> None:
    await acme.domains.add("acme.example", "acme", role="viewer")

    assert await outcome(acme, Person()) == "unknown_account", "a private account may have an address of the domain"
    assert await roles(acme, replace(MANAGED, hosted_domain="Acme.Example")) == {"acme": "viewer"}
    linked = [event.detail async for event in acme.audit.events() if event.action == "identity_added"]
    assert [detail.partition(", ")[2] for detail in linked] == ["by the domain acme.example"]


STRANGERS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "of a subdomain": ({"hosted_domain": "eu.acme.example"}, "unknown_account"),
    "of a longer domain": ({"hosted_domain": "acme.example.org"}, "unknown_account"),
    "of a look-alike domain": ({"hosted_domain": "acme\u212a.example"}, "unknown_account"),
    "of the domain in full-width letters": ({"hosted_domain": "ａｃｍｅ.example"}, "unknown_account"),
    "of what is no domain": ({"hosted_domain": "acme.example\0"}, "unknown_account"),
    "of the domain of a disabled organisation": ({"hosted_domain": "off.example"}, "unknown_account"),
    "without a verified address": ({"email": None}, "no_verified_address"),
    "with a look-alike address": ({"email": "mary\u212a@acme.example"}, "unusable_address"),
    "with an address that cannot be one": ({"email": "mary"}, "unusable_address"),
    "with an address that no database takes": ({"email": "mary\0@acme.example"}, "unusable_address"),
    "with a subject that cannot be stored": ({"subject": " "}, "unusable_account"),
    "with a subject that is too long": ({"subject": "1" * 256}, "unusable_account"),
}


async def test_what_only_resembles_an_invitation_or_a_domain_admits_no_account(acme: IdentityStore) -> None:
    await organisations(acme, "off")
    for domain, tenant in (("acme.example", "acme"), ("acmek.example", "acme"), ("off.example", "off")):
        await acme.domains.add(domain, tenant, role="admin")
    await acme.invitations.add("maryk@acme.example", "acme", role="admin")
    await acme.invitations.add("mary@off.example", "off", role="admin")
    await acme.tenants.disable("off")

    assert {name: await outcome(acme, replace(MANAGED, **account)) for name, (account, _) in STRANGERS.items()} == {
        name: reason for name, (_, reason) in STRANGERS.items()
    }
    assert await outcome(acme, Person(email="mary@off.example")) == "unknown_account"
    assert await acme.users.all() == []


async def test_a_domain_in_ascii_is_found_in_any_case(small: IdentityStore) -> None:
    await small.domains.add("XN--Bcher-Kva.Example", "acme", role="viewer")

    assert await outcome(small, replace(MANAGED, hosted_domain="xn--bcher-kva.example")) == "admitted"


async def member_removed(store: IdentityStore) -> str:
    await store.admission.admit(MANAGED, tenants=EVERY)
    await store.memberships.remove(MARY, "acme")
    return "no_tenant"


async def removed_before_the_first_sign_in(store: IdentityStore) -> str:
    await store.users.add(MARY)
    await store.memberships.set(MARY, "acme", role="agent")
    await store.memberships.remove(MARY, "acme")
    return "no_tenant"


async def removed_with_an_invitation_from_before(store: IdentityStore) -> str:
    await store.invitations.add(MARY, "acme", role="admin")
    return await removed_before_the_first_sign_in(store)


async def identity_removed(store: IdentityStore) -> str:
    admitted = await store.admission.admit(MANAGED, tenants=EVERY)
    await store.identities.remove(admitted.identity)
    return "identity_removed"


async def identity_removed_and_invited(store: IdentityStore) -> str:
    await identity_removed(store)
    await store.invitations.add(MARY, "globex", role="agent")
    return "identity_removed"


async def user_disabled(store: IdentityStore) -> str:
    await store.admission.admit(MANAGED, tenants=EVERY)
    await store.users.disable(MARY)
    return "user_disabled"


async def user_disabled_before_the_first_sign_in(store: IdentityStore) -> str:
    await store.invitations.add(MARY, "acme", role="agent")
    await store.users.add(MARY)
    await store.users.disable(MARY)
    return "user_disabled"


async def tenant_disabled(store: IdentityStore) -> str:
    await store.admission.admit(MANAGED, tenants=EVERY)
    await store.tenants.disable("acme")
    return "tenant_disabled"


ENDS: Final = (
    *(member_removed, removed_before_the_first_sign_in, removed_with_an_invitation_from_before, identity_removed),
    *(identity_removed_and_invited, user_disabled, user_disabled_before_the_first_sign_in, tenant_disabled),
)


@kills("auth/store/authorization/admission.py", 'if identity["removed_at"] is not None', "if False")
@pytest.mark.parametrize("end", ENDS, ids=[end.__name__ for end in ENDS])
async def test_whose_access_ended_does_not_come_back_by_themselves(
    end: Callable[[IdentityStore], Awaitable[str]], small: IdentityStore
) -> None:
    await small.domains.add("acme.example", "acme", role="agent")

    reason = await end(small)
    before = (await actions(small), await small.memberships.all())

    assert await outcome(small, MANAGED) == reason
    assert await outcome(small, replace(MANAGED, subject="2")) != "admitted", "nor with another account"
    assert (await actions(small), await small.memberships.all()) == before


async def test_a_removed_member_comes_back_by_an_invitation(small: IdentityStore) -> None:
    await small.domains.add("acme.example", "acme", role="viewer")
    await member_removed(small)

    await small.invitations.add(MARY, "acme", role="agent")

    assert await roles(small, MANAGED) == {"acme": "agent"}
    assert len(await small.identities.all()) == 1


async def test_an_invited_user_is_linked_and_keeps_the_role_that_was_set(acme: IdentityStore) -> None:
    for tenant in ("acme", "globex"):
        await acme.invitations.add(MARY, tenant, role="admin")
    user = await acme.users.add(MARY, name="Mary")
    await acme.memberships.set(MARY, "acme", role="viewer", ticket_user="user3")

    assert await roles(acme) == {"acme": "viewer", "globex": "admin"}
    assert [(each.tenant, each.ticket_user) for each in await acme.memberships.all()] == [
        ("acme", "user3"), ("globex", None),
    ]  # fmt: skip
    assert await acme.users.all() == [user], "the provider does not rename a user"
    assert {each.state for each in await acme.invitations.all()} == {"accepted"}


async def test_a_member_with_a_verified_address_is_linked_as_with_tokens_of_a_provider(small: IdentityStore) -> None:
    await small.users.add(MARY)
    await small.memberships.set(MARY, "acme", role="agent")

    assert await outcome(small, Person(email=None)) == "no_verified_address"
    assert await roles(small) == {"acme": "agent"}
    assert await outcome(small, Person(subject="2")) == "other_account"


async def test_an_invitation_admits_until_it_expires_or_is_withdrawn_and_once(
    small: IdentityStore, clock: Clock
) -> None:
    ended = await small.invitations.add(MARY, "acme", role="agent")
    await small.invitations.withdraw(ended.id)
    assert await outcome(small) == "unknown_account"

    await small.invitations.add(MARY, "acme", role="agent")
    clock.go_on(days=14)
    assert await outcome(small) == "invitation_expired"

    again = await small.invitations.add(MARY, "acme", role="agent")
    clock.go_on(days=13)
    assert await outcome(small) == "admitted"
    assert await outcome(small, Person(subject="2")) == "other_account", "it was accepted"
    await small.memberships.remove(MARY, "acme")
    assert await outcome(small) == "no_tenant", "it was accepted"
    kept = await small.invitations.get(again.id)
    assert kept is not None
    assert kept.state == "accepted"


@kills("auth/store/authorization/facts.py", "return not tenants_served or tenant in tenants_served", "return True")
async def test_an_issuer_leads_only_into_the_tenants_that_it_serves(small: IdentityStore) -> None:
    await small.domains.add("acme.example", "globex", role="admin")
    await small.invitations.add(MARY, "globex", role="admin")
    assert await outcome(small, MANAGED, ACME) == "unknown_account"

    await small.invitations.add(MARY, "acme", role="viewer")
    assert await roles(small, MANAGED, ACME) == {"acme": "viewer"}
    assert {each.tenant: each.state for each in await small.invitations.all()} == {
        "acme": "accepted", "globex": "pending",
    }  # fmt: skip
    await small.memberships.set(MARY, "globex", role="agent")
    assert await roles(small, MANAGED, ACME) == {"acme": "viewer"}
    await small.memberships.remove(MARY, "acme")
    assert await outcome(small, MANAGED, ACME) == "no_tenant"


async def test_a_known_person_accepts_what_their_verified_address_is_invited_to(small: IdentityStore) -> None:
    await small.invitations.add(MARY, "acme", role="agent")
    await small.admission.admit(Person(), tenants=EVERY)

    await small.invitations.add(MARY, "globex", role="viewer")
    await small.invitations.add("m.major@acme.example", "default", role="viewer")

    assert await roles(small, Person(email=None)) == {"acme": "agent"}
    assert await roles(small) == {"acme": "agent", "globex": "viewer"}
    renamed = Person(email="m.major@acme.example")
    assert await roles(small, renamed) == {"acme": "agent", "default": "viewer", "globex": "viewer"}
    assert [user.email for user in await small.users.all()] == [MARY]


async def test_an_address_that_was_given_to_another_person_gives_them_nothing_of_the_user(small: IdentityStore) -> None:
    await small.invitations.add(MARY, "acme", role="agent")
    await small.admission.admit(Person(), tenants=EVERY)
    await small.invitations.add("john@acme.example", "acme", role="agent")
    await small.admission.admit(Person("2", "john@acme.example"), tenants=EVERY)
    await small.invitations.add(MARY, "globex", role="admin")

    assert await roles(small, Person("2", MARY)) == {"acme": "agent"}, "John has Mary's address now"
    assert await outcome(small, Person("3", MARY)) == "other_account"
    assert await roles(small) == {"acme": "agent", "globex": "admin"}


async def test_a_program_is_no_person(small: IdentityStore) -> None:
    await small.service_accounts.add("acme", "nightly", role="viewer")
    person = Person()
    await small.identities.add(issuer=person.issuer, subject="1", tenant="acme", service_account="nightly")
    await small.invitations.add(MARY, "acme", role="agent")

    assert await outcome(small, person) == "program"


@pytest.mark.parametrize("name", [None, " ", "Ma\nry", "\0"], ids=["none", "blank", "two lines", "null"])
async def test_a_name_that_cannot_be_shown_is_replaced_by_the_address(name: str | None, small: IdentityStore) -> None:
    await small.invitations.add(MARY, "acme", role="agent")

    assert await outcome(small, Person(name=name)) == "admitted"
    assert [user.name for user in await small.users.all()] == [MARY]


async def test_a_refused_person_and_a_known_one_write_nothing(
    small: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sign-ins of strangers would otherwise keep writes of others waiting."""
    await small.invitations.add(MARY, "acme", role="agent")
    await small.admission.admit(Person(), tenants=EVERY)
    written: list[Any] = []
    changing = AuditedTransactions.changing

    def counting(self: AuditedTransactions) -> AbstractAsyncContextManager[AuditedChange]:
        written.append(self)
        return changing(self)

    monkeypatch.setattr(AuditedTransactions, "changing", counting)

    assert await outcome(small) == "admitted"
    assert await outcome(small, Person("2", "x@acme.example")) == "unknown_account"
    assert await outcome(small, Person("2")) == "other_account"
    assert written == []
