"""Admission: who an account at the identity provider is, and whether it may use the server.

1. An account is known by issuer and subject. What was removed or disabled stays out.
2. A new account is linked to the user who has its verified address, once: see `auth.store.identities`.
3. A pending invitation of the verified address leads to a membership, and to a user where the address has no user.
4. A domain (claim `hd`) does so only for a person without a user: a removed member does not come back by themselves.

Only a verified address of ASCII characters counts, and nothing leads into a tenant that the issuer does not serve.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, update

from auth import validation
from auth.store.authorization import refusals
from auth.store.authorization.facts import Facts, Offer, gather, memberships_of
from auth.store.authorization.records import Account, Admitted
from auth.store.authorization.refusals import RefusalReason, SignInRefusedError
from auth.store.authorization.tables import invitations
from auth.store.errors import AlreadyExistsError
from auth.store.identities import insert_identity
from auth.store.transactions import AuditedChange, AuditedTransactions
from auth.store.users import insert_user, join


class Admission:
    """Admits accounts. Every change is audited."""

    def __init__(self, transactions: AuditedTransactions) -> None:
        self._transactions = transactions

    async def admit(self, account: Account, *, tenants: Collection[str]) -> Admitted:
        """Return the user that the account stands for, with their memberships in `tenants`, or in any if it is empty.

        Accepts the pending invitations of the account's address. The caller vouches for all that `account` says. For
        one account at once, on one or several instances, it does so once. Only what changes something opens a
        transaction that writes, for which others would wait.

        Raises:
            SignInRefusedError: the account is not admitted; the text says what an administrator can do.
            DatabaseBusyError: nothing was changed.
        """
        try:
            return await self._admit(account, tenants)
        except AlreadyExistsError:  # another request admitted them a moment ago: now they are known
            return await self._admit(account, tenants)

    async def _admit(self, account: Account, tenants: Collection[str]) -> Admitted:
        async with self._transactions.reading() as connection:
            facts = await gather(connection, account, tenants, now=self._transactions.clock())
        admittance = decide(account, facts, tenants)
        if admittance.user is not None and admittance.identity is not None and not admittance.offers:
            return Admitted(
                user=admittance.user["id"],
                identity=admittance.identity["id"],
                email=admittance.user["email"],
                memberships=facts.memberships,
            )
        async with self._transactions.changing() as change:
            facts = await gather(change.connection, account, tenants, now=change.now, lock=True)
            return await _let_in(change, account, decide(account, facts, tenants), tenants)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admittance:
    """The user as which an account is admitted, and what is still to be stored."""

    user: RowMapping | None
    """None: to be made."""
    address: str
    """Of the user."""
    identity: RowMapping | None
    """None: to be linked."""
    offers: Sequence[Offer] = ()
    """Memberships to be made."""


def decide(account: Account, facts: Facts, tenants: Collection[str]) -> Admittance:
    """Decide about an account. Pure. Raises: SignInRefusedError."""
    if not validation.is_subject(account.subject):
        raise SignInRefusedError(RefusalReason.UNUSABLE_ACCOUNT, account, refusals.add_key())
    if facts.identity is not None:
        return _known(account, facts, facts.identity, tenants)
    if facts.address is None:
        reason = RefusalReason.UNUSABLE_ADDRESS if account.email else RefusalReason.NO_ADDRESS
        raise SignInRefusedError(reason, account, refusals.add_identity(account))
    if facts.holder is not None:
        return _holder(account, facts, facts.holder, tenants)
    offers = facts.invitations or ([facts.domain] if facts.domain else [])
    if not offers:
        reason = RefusalReason.EXPIRED if facts.has_expired_invitation else RefusalReason.UNKNOWN
        raise SignInRefusedError(reason, account, refusals.invite(facts.address, tenants))
    return Admittance(user=None, address=facts.address, identity=None, offers=offers)


def _known(account: Account, facts: Facts, identity: RowMapping, tenants: Collection[str]) -> Admittance:
    """Decide about an account that has an identity."""
    owner, name = facts.owner, identity["id"]
    if identity["removed_at"] is not None:
        command = refusals.add_identity(account, owner["id"] if owner else "EMAIL")
        raise SignInRefusedError(RefusalReason.REMOVED, account, command, identity=name)
    if owner is None:
        raise SignInRefusedError(RefusalReason.PROGRAM, account, refusals.remove_identity(name), identity=name)
    if owner["disabled_at"] is not None:
        raise SignInRefusedError(RefusalReason.DISABLED, account, refusals.enable_user(owner["id"]), identity=name)
    # The provider may have given the address of another user to this one: that invitation is not theirs.
    address_is_theirs = facts.holder is None or facts.holder["id"] == owner["id"]
    offers = facts.invitations if address_is_theirs else ()
    if not offers and not facts.memberships:
        address = facts.address if address_is_theirs else None
        raise _no_tenant(account, facts, address, owner, tenants, identity=name)
    return Admittance(user=owner, address=owner["email"], identity=identity, offers=offers)


def _holder(account: Account, facts: Facts, holder: RowMapping, tenants: Collection[str]) -> Admittance:
    """Decide about a new account whose address a user has."""
    if holder["disabled_at"] is not None:
        raise SignInRefusedError(RefusalReason.DISABLED, account, refusals.enable_user(holder["id"]))
    if facts.holder_is_linked:
        raise SignInRefusedError(RefusalReason.OTHER_ACCOUNT, account, refusals.add_identity(account, holder["id"]))
    if not facts.invitations and not facts.memberships:
        raise _no_tenant(account, facts, facts.address, holder, tenants)
    return Admittance(user=holder, address=holder["email"], identity=None, offers=facts.invitations)


def _no_tenant(
    account: Account,
    facts: Facts,
    address: str | None,
    user: RowMapping,
    tenants: Collection[str],
    *,
    identity: str = "",
) -> SignInRefusedError:
    """Return the refusal of a user who is a member of none of `tenants`; None: no `address` can be invited."""
    if facts.disabled_tenants:
        reason, command = RefusalReason.TENANT_DISABLED, refusals.enable_tenant(facts.disabled_tenants[0])
    elif address is None:
        reason, command = RefusalReason.NO_TENANT, refusals.add_member(user["id"], tenants)
    else:
        reason = RefusalReason.EXPIRED if facts.has_expired_invitation else RefusalReason.NO_TENANT
        command = refusals.invite(address, tenants)
    return SignInRefusedError(reason, account, command, identity=identity)


async def _let_in(
    change: AuditedChange, account: Account, admittance: Admittance, tenants: Collection[str]
) -> Admitted:
    """Store what is still to be stored. Raises: AlreadyExistsError."""
    how, user = "by e-mail address", admittance.user
    if user is None:
        how, user = admittance.offers[0].how, await insert_user(change, admittance.address, _name(account.name))
    for offer in admittance.offers:
        await join(change, user["id"], offer.tenant, offer.role)
        if offer.invitation is not None:
            accepted = update(invitations).where(invitations.c.id == offer.invitation)
            await change.connection.execute(accepted.values(accepted_at=change.now))
            change.record("invitation_accepted", tenant=offer.tenant, what=user["id"], detail=offer.invitation)
    if admittance.identity is not None:
        identity: str = admittance.identity["id"]
    else:
        owner = {"user_id": user["id"]}
        identity = await insert_identity(change, account.issuer, account.subject, owner, how=f", {how}")
    current, _ = await memberships_of(change.connection, user["id"], tenants)
    return Admitted(user=user["id"], identity=identity, email=user["email"], memberships=current)


def _name(name: str | None) -> str | None:
    """Return the name that the provider displays, if it can be shown in a list."""
    text = (name or "").strip()[:200]
    return text if text.isprintable() else None
