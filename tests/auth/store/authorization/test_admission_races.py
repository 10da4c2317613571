"""What happens when several sign-ins, or a sign-in and a command, come at once: the same as one after the other."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from auth.store import IdentityStore
from auth.store.authorization.records import Admitted
from auth.store.errors import AlreadyExistsError, NotUsableError
from tests.auth.store.authorization.people import EVERY, MANAGED, MARY, Person, attempt, organisations, outcome, roles

AT_ONCE: Final = 4


@pytest.fixture
async def acme(store: IdentityStore) -> IdentityStore:
    return await organisations(store, "acme", "globex")


async def invited(store: IdentityStore, email: str) -> None:
    for tenant in ("acme", "globex"):
        await store.invitations.add(email, tenant, role="agent")


async def of_a_domain(store: IdentityStore, _: str) -> None:
    await store.domains.add("acme.example", "acme", role="agent")


async def a_member(store: IdentityStore, email: str) -> None:
    await store.users.add(email)
    await store.memberships.set(email, "acme", role="agent")


WAYS: Final = (invited, of_a_domain, a_member)


async def test_first_sign_ins_of_one_person_at_once_are_one_user(acme: IdentityStore) -> None:
    for number, way in enumerate(WAYS):
        person = replace(MANAGED, subject=f"{number}", email=f"{number}@acme.example")
        await way(acme, f"{number}@acme.example")

        admitted = await asyncio.gather(*(acme.admission.admit(person, tenants=EVERY) for _ in range(AT_ONCE)))

        assert admitted == [admitted[0]] * AT_ONCE, way.__name__
    assert (len(await acme.users.all()), len(await acme.identities.all())) == (len(WAYS), len(WAYS))
    actions = [event.action async for event in acme.audit.events()]
    assert [actions.count(action) for action in ("identity_added", "invitation_accepted")] == [len(WAYS), 2]


async def test_of_several_accounts_with_one_address_at_once_one_is_admitted(acme: IdentityStore) -> None:
    for way in WAYS:
        person = replace(MANAGED, email=f"{way.__name__}@acme.example")
        await way(acme, f"{way.__name__}@acme.example")
        accounts = [replace(person, subject=f"{way.__name__} {number}") for number in range(AT_ONCE)]

        results = await asyncio.gather(*(attempt(acme, account) for account in accounts))

        reasons = [None if isinstance(result, Admitted) else result.reason.value for result in results]
        assert sorted(reasons, key=str) == [None, *["other_account"] * (AT_ONCE - 1)], way.__name__
    assert len(await acme.identities.all()) == len(WAYS)


async def test_an_invitation_is_either_withdrawn_or_accepted(acme: IdentityStore) -> None:
    for number in range(3):
        person = Person(f"{number}", f"{number}@acme.example")
        invitation = await acme.invitations.add(person.email or "", "acme", role="agent")

        async def withdraw(invitation: str) -> bool:
            try:
                await acme.invitations.withdraw(invitation)
            except NotUsableError:
                return False
            return True

        is_withdrawn, result = await asyncio.gather(withdraw(invitation.id), attempt(acme, person))

        kept = await acme.invitations.get(invitation.id)
        assert is_withdrawn is not isinstance(result, Admitted)
        assert kept is not None
        assert kept.state == ("withdrawn" if is_withdrawn else "accepted")


async def test_invitations_of_one_address_at_once_are_one_with_one_link(acme: IdentityStore) -> None:
    added = await asyncio.gather(
        *(acme.invitations.add(MARY, "acme", role="agent", life=timedelta(days=1 + n)) for n in range(AT_ONCE))
    )

    assert {each.id for each in added} == {each.id for each in await acme.invitations.all()}
    assert len({each.id for each in added}) == 1


async def test_a_domain_that_two_organisations_add_at_once_belongs_to_one(acme: IdentityStore) -> None:
    async def add(tenant: str) -> str | None:
        try:
            return (await acme.domains.add("acme.example", tenant, role="agent")).tenant
        except AlreadyExistsError:
            return None

    winners = set(await asyncio.gather(*(add(tenant) for tenant in ("acme", "globex", "default")))) - {None}

    assert {each.tenant for each in await acme.domains.all()} == winners
    assert len(winners) == 1


async def test_a_user_added_while_they_sign_in_is_the_one_who_signs_in(acme: IdentityStore) -> None:
    await of_a_domain(acme, MARY)

    async def add() -> None:
        with suppress(AlreadyExistsError):
            await acme.users.add(MARY)

    result, _ = await asyncio.gather(attempt(acme, MANAGED), add())

    [user] = await acme.users.all()
    if isinstance(result, Admitted):
        assert result.user == user.id
    else:
        assert await outcome(acme, MANAGED) == "no_tenant", "they were a user first"
        await acme.invitations.add(MARY, "acme", role="viewer")
        assert await roles(acme, MANAGED) == {"acme": "viewer"}
