"""What the store knows of an account that signed in, read in one transaction; `admission` decides by it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from auth import validation
from auth.store import queries
from auth.store.authorization.records import Account, AdmittedMembership
from auth.store.authorization.tables import OPEN, invitations, tenant_domains
from auth.store.tables import identities, memberships, tenants
from shared.identity import Role


@dataclass(frozen=True, slots=True)
class Offer:
    """A membership that the account can have now."""

    tenant: str
    role: Role
    how: str
    """For the audit trail."""
    invitation: str | None = None
    """Id of the invitation that offers it; None for a domain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Only what concerns the tenants that the issuer serves."""

    address: str | None
    """The verified address, casefolded; None without one by which people are found."""
    identity: RowMapping | None
    """Of the account itself, also if it was removed."""
    owner: RowMapping | None
    """The user of the identity."""
    holder: RowMapping | None
    """The user who has the address."""
    holder_is_linked: bool
    """Whether the holder has, or had, an identity of this issuer."""
    memberships: dict[str, AdmittedMembership]
    """Of the owner or else the holder, in tenants that are not disabled."""
    disabled_tenants: Sequence[str]
    """In which they are members, too."""
    invitations: Sequence[Offer]
    """To the address, into tenants that are not disabled."""
    has_expired_invitation: bool
    domain: Offer | None
    """By the claim `hd`."""


async def gather(
    connection: AsyncConnection, account: Account, tenants_served: Collection[str], *, now: datetime, lock: bool = False
) -> Facts:
    """Return the facts as of `now`; with `lock`, invitations and holder are locked until the transaction ends.

    Of several transactions that gather for one invited or known person, the second then sees what the first one did.
    """
    address = account.email.casefold() if account.email and validation.is_sign_in_email(account.email) else None
    invited, expired = await _invitations(connection, address, tenants_served, now, lock=lock)
    holder = None if address is None else await queries.user_with_address(connection, address, lock=lock)
    identity = await _identity(connection, account)
    owner = (
        None if identity is None or identity["user_id"] is None else await queries.user(connection, identity["user_id"])
    )
    user = owner or holder
    current, disabled = ({}, []) if user is None else await memberships_of(connection, user["id"], tenants_served)
    return Facts(
        address=address,
        identity=identity,
        owner=owner,
        holder=holder,
        holder_is_linked=holder is not None and await _is_linked(connection, holder["id"], account.issuer),
        memberships=current,
        disabled_tenants=disabled,
        invitations=invited,
        has_expired_invitation=expired,
        domain=await _domain(connection, account, tenants_served),
    )


async def memberships_of(
    connection: AsyncConnection, user: str, tenants_served: Collection[str]
) -> tuple[dict[str, AdmittedMembership], list[str]]:
    """Return what a user is in the tenants that are served, if any are named, and in which disabled ones."""
    query = (
        select(memberships.c.role, tenants.c.id, tenants.c.name, tenants.c.disabled_at)
        .join_from(memberships, tenants)
        .where(memberships.c.user_id == user)
        .order_by(tenants.c.id)
    )
    rows = [row for row in await connection.execute(query) if _is_served(row.id, tenants_served)]
    current = {row.id: AdmittedMembership(Role(row.role), row.name) for row in rows if row.disabled_at is None}
    return current, [row.id for row in rows if row.disabled_at is not None]


async def _invitations(
    connection: AsyncConnection, address: str | None, tenants_served: Collection[str], now: datetime, *, lock: bool
) -> tuple[list[Offer], bool]:
    """Return what the address is invited to, and whether an invitation has expired."""
    if address is None:
        return [], False
    query = (
        select(invitations)
        .join_from(invitations, tenants)
        .where(invitations.c.email == address, OPEN, tenants.c.disabled_at.is_(None))
        .order_by(invitations.c.id)  # in one order, so that two sign-ins cannot deadlock
    )
    found = (await connection.execute(query.with_for_update(of=invitations) if lock else query)).mappings()
    rows = [row for row in found if _is_served(row["tenant_id"], tenants_served)]
    pending = [row for row in rows if row["expires_at"] > now]
    offers = [Offer(row["tenant_id"], Role(row["role"]), "by invitation", row["id"]) for row in pending]
    return offers, len(pending) < len(rows)


async def _identity(connection: AsyncConnection, account: Account) -> RowMapping | None:
    if not validation.is_subject(account.subject):
        return None
    mine = (identities.c.issuer == account.issuer) & (identities.c.subject == account.subject)
    return (await connection.execute(select(identities).where(mine))).mappings().one_or_none()


async def _is_linked(connection: AsyncConnection, user: str, issuer: str) -> bool:
    theirs = (identities.c.issuer == issuer) & (identities.c.user_id == user)
    return (await connection.execute(select(identities.c.id).where(theirs).limit(1))).first() is not None


async def _domain(connection: AsyncConnection, account: Account, tenants_served: Collection[str]) -> Offer | None:
    if not (account.hosted_domain and validation.is_domain(account.hosted_domain)):
        return None
    domain = account.hosted_domain.lower()
    query = (
        select(tenant_domains)
        .join_from(tenant_domains, tenants)
        .where(tenant_domains.c.domain == domain, tenants.c.disabled_at.is_(None))
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None or not _is_served(row["tenant_id"], tenants_served):
        return None
    return Offer(row["tenant_id"], Role(row["role"]), f"by the domain {domain}")


def _is_served(tenant: str, tenants_served: Collection[str]) -> bool:
    return not tenants_served or tenant in tenants_served
