"""Invitations and domains as operators manage them: what is refused says what to do instead."""

from datetime import timedelta
from typing import Any, Final

import pytest

from auth.store import IdentityStore
from auth.store.authorization.domains import FOR_EVERYBODY
from auth.store.authorization.errors import UnknownDomainError, UnknownInvitationError
from auth.store.authorization.tables import authorization_codes, grants
from auth.store.errors import AlreadyExistsError, NotUsableError, UnknownTenantError
from shared.errors import InvalidInputError, TicketServerError
from tests.auth.conftest import NOW, Clock
from tests.auth.store.authorization.people import EVERY, MARY, Person, organisations, outcome


@pytest.fixture
async def acme(store: IdentityStore) -> IdentityStore:
    return await organisations(store, "acme", "globex")


@pytest.fixture
async def small(sqlite_store: IdentityStore) -> IdentityStore:
    """One database, for what does not depend on it."""
    return await organisations(sqlite_store, "acme", "globex")


async def audited(store: IdentityStore, kind: str) -> list[tuple[str, str, str, str]]:
    """Return the events of a kind in the order of their names: those of one moment have no other."""
    events = [event async for event in store.audit.events() if event.action.startswith(kind)]
    return sorted((event.action.removeprefix(f"{kind}_"), event.tenant, event.object, event.detail) for event in events)


async def test_inviting_again_renews_the_invitation_and_keeps_its_link(acme: IdentityStore, clock: Clock) -> None:
    first = await acme.invitations.add(f" {MARY.upper()} ", "acme", role="viewer")
    clock.go_on(days=20)
    [expired] = await acme.invitations.all(tenant="acme")

    renewed = await acme.invitations.add(MARY, "acme", role="agent", life=timedelta(days=3))

    assert (first.email, first.tenant_name, first.role, first.state) == (MARY, "Acme", "viewer", "pending")
    assert (first.created_at, first.expires_at) == (NOW, NOW + timedelta(days=14))
    assert expired.state == "expired"
    assert (renewed.id, renewed.role, renewed.state) == (first.id, "agent", "pending")
    assert renewed.expires_at == clock.now + timedelta(days=3)
    assert await acme.invitations.all() == [renewed]
    assert await acme.invitations.get(first.id) == renewed
    await acme.invitations.withdraw(first.id)
    withdrawn = await acme.invitations.withdraw(first.id)
    after = await acme.invitations.add(MARY, "acme", role="agent")
    assert (withdrawn.state, after.state) == ("withdrawn", "pending")
    assert after.id != first.id
    assert await audited(acme, "invitation") == [
        *sorted([("added", "acme", first.id, f"{MARY}, viewer"), ("added", "acme", after.id, f"{MARY}, agent")]),
        ("renewed", "acme", first.id, f"{MARY}, agent"),
        ("withdrawn", "acme", first.id, MARY),
    ]


async def test_who_needs_no_invitation_or_cannot_use_one_is_not_invited(small: IdentityStore) -> None:
    john = await small.users.add("john@acme.example")
    await small.memberships.set(john.id, "acme", role="viewer")
    off = await small.users.add("off@acme.example")
    await small.users.disable(off.id)
    await small.tenants.disable("globex")

    async def refused(email: str, tenant: str = "acme", **options: Any) -> TicketServerError:
        with pytest.raises(TicketServerError) as error:
            await small.invitations.add(email, tenant, **{"role": "viewer", **options})
        return error.value

    for role in ("viewer", "admin"):
        member = await refused("John@Acme.Example", role=role)
        assert isinstance(member, AlreadyExistsError)
        assert "already a member of 'acme', as viewer" in str(member)
        assert f"membership set {john.id} --tenant acme --role ROLE`" in str(member)
    assert isinstance(await refused("off@acme.example"), NotUsableError)
    assert isinstance(await refused(MARY, "globex"), NotUsableError)
    assert isinstance(await refused(MARY, "initech"), UnknownTenantError)
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("mary\u212a@acme.example", {}),
        ("bücher@acme.example", {}),
        ("mary", {}),
        ("m\0@acme.example", {}),
    ]
    wrong += [(MARY, {"role": "owner"}), (MARY, {"life": timedelta(0)}), (MARY, {"life": timedelta(days=91)})]
    for email, options in wrong:
        assert isinstance(await refused(email, **options), InvalidInputError), email
    assert await small.invitations.all() == []


async def test_an_accepted_invitation_stays_and_an_unknown_one_is_named(small: IdentityStore) -> None:
    invitation = await small.invitations.add(MARY, "acme", role="agent")
    await small.admission.admit(Person(), tenants=EVERY)

    with pytest.raises(NotUsableError, match=f"membership remove {MARY} --tenant acme`"):
        await small.invitations.withdraw(invitation.id)
    [kept] = await small.invitations.all()
    assert (kept.state, kept.withdrawn_at) == ("accepted", None)
    with pytest.raises(UnknownTenantError):
        await small.invitations.all(tenant="initech")
    assert await small.invitations.all(tenant="globex") == []


async def test_what_is_asked_for_by_a_link_is_found_or_not(acme: IdentityStore) -> None:
    """The page of an invitation is public, so anything may come in its address."""
    invitation = await acme.invitations.add(MARY, "acme", role="agent")

    for unknown in ("inv_" + "0" * 32, "inv_\0", "", "' OR 1=1", invitation.id.upper(), invitation.id + "\n"):
        assert await acme.invitations.get(unknown) is None
        with pytest.raises(UnknownInvitationError):
            await acme.invitations.withdraw(unknown)
    await acme.tenants.disable("acme")
    assert await acme.invitations.get(invitation.id) is None


async def test_a_domain_belongs_to_one_organisation(acme: IdentityStore) -> None:
    added = await acme.domains.add(" Acme.Example ", "acme", role="viewer")
    changed = await acme.domains.add("acme.example", "acme", role="agent")

    assert (added.domain, added.tenant, added.role, added.created_at) == ("acme.example", "acme", "viewer", NOW)
    assert (changed.role, changed.created_at) == ("agent", NOW)
    with pytest.raises(
        AlreadyExistsError, match=r"'acme'\. To move it, run `.*auth domain remove acme\.example` first"
    ):
        await acme.domains.add("ACME.example", "globex", role="admin")
    assert await acme.domains.all() == [changed]
    assert await acme.domains.all(tenant="globex") == []
    assert await acme.domains.remove("ACME.example") == changed
    with pytest.raises(UnknownDomainError, match=r"'acme\.example'"):
        await acme.domains.remove("acme.example")
    assert await audited(acme, "domain") == [
        ("added", "acme", "acme.example", "agent"),
        ("added", "acme", "acme.example", "viewer"),
        ("removed", "acme", "acme.example", ""),
    ]


NOT_OF_AN_ORGANISATION: Final = (*sorted(FOR_EVERYBODY)[:3], "GMail.com", "yahoo.co.jp", "hotmail.fr")
NOT_A_DOMAIN: Final = (
    *("", "acme", "@acme.example", "mary@acme.example", "acme.example.", "https://acme.example", "*.acme.example"),
    *("-acme.example", "acme-.example", "acme..example", "127.0.0.1", "acme.example/x", "a" * 64 + ".example"),
    *("bücher.example", "acme\u212a.example", "ａｃｍｅ.example", "acme.example\0", ".".join(["a" * 60] * 5)),
)


async def test_what_is_no_domain_of_an_organisation_is_refused_with_the_reason(small: IdentityStore) -> None:
    for domain in NOT_OF_AN_ORGANISATION:
        with pytest.raises(InvalidInputError, match="consumer accounts: all its users would become members") as error:
            await small.domains.add(domain, "acme", role="agent")
        assert "auth invite EMAIL --tenant acme --role agent`" in str(error.value)
    for domain in NOT_A_DOMAIN:
        with pytest.raises(InvalidInputError, match="is not a domain"):
            await small.domains.add(domain, "acme", role="agent")
    with pytest.raises(InvalidInputError, match="is not a role"):
        await small.domains.add("acme.example", "acme", role="owner")
    await small.tenants.disable("globex")
    with pytest.raises(NotUsableError):
        await small.domains.add("acme.example", "globex", role="agent")
    with pytest.raises(UnknownTenantError):
        await small.domains.add("acme.example", "initech", role="agent")
    assert await small.domains.all() == []
    for name in ("xn--bcher-kva.example", "acme.xn--p1ai", "a.b-c.co.uk", "live.example"):
        assert (await small.domains.add(name, "acme", role="agent")).domain == name


async def test_an_account_with_grants_is_linked_anew_and_they_do_not_come_back(acme: IdentityStore) -> None:
    await acme.invitations.add(MARY, "acme", role="agent")
    admitted = await acme.admission.admit(Person(), tenants=EVERY)
    allowed = {
        "user_id": admitted.user,
        "identity_id": admitted.identity,
        "tenant_id": "acme",
        "client_id": "cli_1",
        "redirect_uri": "http://127.0.0.1/",
        "resource": "https://t.example",
        "scopes": "tickets:read",
        "expires_at": NOW + timedelta(days=60),
    }
    async with acme._transactions.changing() as change:
        grant = {"id": "grt_1", "seed": "s", "generation": 1, "created_at": NOW, "last_used_at": NOW}
        await change.connection.execute(grants.insert().values(**allowed, **grant))
        code = {"digest": "d", "grant_id": "grt_1", "code_challenge": "c"}
        await change.connection.execute(authorization_codes.insert().values(**allowed, **code))
    await acme.identities.remove(admitted.identity)
    assert await outcome(acme) == "identity_removed"

    person = Person()
    again = await acme.identities.add(issuer=person.issuer, subject=person.subject, user=MARY)

    assert (await acme.admission.admit(person, tenants=EVERY)).identity == again.id
    async with acme._transactions.reading() as connection:
        assert (await connection.execute(grants.select())).all() == []
