"""What happens when several sign-ins, or a sign-in and a command, come at once: the same as one after the other."""

import asyncio
from collections.abc import Awaitable, Callable
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


async def invited(store: IdentityStore) -> None:
    for tenant in ("acme", "globex"):
        await store.invitations.add(MARY, tenant, role="agent")


async def of_a_domain(store: IdentityStore) -> None:
    await store.domains.add("acme.example", "acme", role="agent")


async def a_member(store: IdentityStore) -> None:
    await store.users.add(MARY)
    await store.memberships.set(MARY, "acme", role="agent")


WAYS: Final = (invited, of_a_domain, a_member)


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
async def test_first_sign_ins_of_one_person_at_once_are_one_user(
    way: Callable[[IdentityStore], Awaitable[None]], acme: IdentityStore
) -> None:
    await way(acme)

    admitted = await asyncio.gather(*(acme.admission.admit(MANAGED, tenants=EVERY) for _ in range(AT_ONCE)))

    assert admitted == [admitted[0]] * AT_ONCE
    assert (len(await acme.users.all()), len(await acme.identities.all())) == (1, 1)
    actions = [event.action async for event in acme.audit.events()]
    assert [actions.count(action) for action in ("identity_added", "invitation_accepted")] == [
        1, 2 if way is invited else 0,
    ]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
async def test_of_several_accounts_with_one_address_at_once_one_is_admitted(
    way: Callable[[IdentityStore], Awaitable[None]], acme: IdentityStore
) -> None:
    await way(acme)

    results = await asyncio.gather(*(attempt(acme, replace(MANAGED, subject=f"{n}")) for n in range(AT_ONCE)))

    reasons = [None if isinstance(result, Admitted) else result.reason.value for result in results]
    assert sorted(reasons, key=str) == [None, *["other_account"] * (AT_ONCE - 1)]
    assert len(await acme.identities.all()) == 1


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
    await of_a_domain(acme)

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
