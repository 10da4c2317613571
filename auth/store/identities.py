"""Identities: which user or service account the subject of an identity provider is.

A subject is known by its issuer and its `sub`, never by an e-mail address: an address may be given to another person.
A verified address only links a subject the first time. A removed identity is kept, so that it is not linked again.
"""

import secrets
from collections.abc import Collection, Mapping
from functools import partial

from sqlalchemy import RowMapping, Select, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from auth import validation
from auth.store import queries
from auth.store.authorization.tables import authorization_codes, grants
from auth.store.errors import AlreadyExistsError
from auth.store.records import IdentityRecord
from auth.store.tables import identities, memberships, service_accounts, users
from auth.store.transactions import AuditedChange, AuditedTransactions
from shared.errors import InvalidInputError


class Identities:
    """Links, lists and removes identities. Every change is audited. All methods raise: DatabaseBusyError."""

    def __init__(self, transactions: AuditedTransactions) -> None:
        self._transactions = transactions

    async def add(
        self,
        *,
        issuer: str,
        subject: str,
        user: str | None = None,
        tenant: str | None = None,
        service_account: str | None = None,
    ) -> IdentityRecord:
        """Link the subject of an issuer to a user, or to a service account of a tenant; name exactly one of the two.

        A subject that was removed is linked anew.

        Raises:
            InvalidInputError: the issuer or the subject is invalid, there is no owner or two, or a tenant for a user.
            UnknownError: there is no such user, tenant or service account.
            AlreadyExistsError: the subject already belongs to a user or a service account.
        """
        issuer, subject = validation.issuer(issuer), validation.subject(subject)
        if (user is None) == (service_account is None) or (tenant is None) != (service_account is None):
            raise InvalidInputError("An identity belongs to a user, or to a service account of a tenant: name one.")
        async with self._transactions.changing() as change:
            if user is not None:
                owner = {"user_id": (await queries.user(change.connection, user))["id"]}
            else:
                account = await queries.service_account(change.connection, tenant or "", service_account or "")
                owner = {"service_account_id": account["id"]}
            await _forget_removed(change, issuer, subject)
            identity_id = await insert_identity(change, issuer, subject, owner, tenant=tenant or "")
            return await _one(change, identity_id)

    async def link(self, *, issuer: str, subject: str, email: str, tenants: Collection[str]) -> str | None:
        """Link the subject to the user who has the address, and return the identity's id.

        Only to a member of one of `tenants`, or of any if `tenants` is empty, who has no identity of this issuer yet;
        otherwise nothing is changed and None returned. The caller vouches for the address. To call this at once for
        the same subject links it once. Only a subject that can be linked opens a transaction that writes, for which
        others would wait.
        """
        user_to_link = partial(_user_to_link, issuer=issuer, subject=subject, email=email, tenants=tenants)
        async with self._transactions.reading() as connection:
            user, known = await user_to_link(connection)
        if user is None:
            return known
        async with self._transactions.changing() as change:
            user, known = await user_to_link(change.connection, lock=True)
            if user is None:
                return known
            return await insert_identity(change, issuer, subject, {"user_id": user}, how=", by e-mail address")

    async def all(self, *, tenant: str | None = None, user: str | None = None) -> list[IdentityRecord]:
        """Return the identities of a tenant's members and service accounts, of a user, or all; by issuer and owner.

        Raises:
            UnknownTenantError, UnknownUserError: there is no such tenant or user.
        """
        async with self._transactions.reading() as connection:
            query = _identities().order_by(identities.c.issuer, "owner_name", identities.c.subject)
            if tenant is not None:
                await queries.tenant(connection, tenant)
                members = select(memberships.c.user_id).where(memberships.c.tenant_id == tenant)
                query = query.where(or_(service_accounts.c.tenant_id == tenant, identities.c.user_id.in_(members)))
            if user is not None:
                query = query.where(identities.c.user_id == (await queries.user(connection, user))["id"])
            return [_record(row) for row in (await connection.execute(query)).mappings()]

    async def remove(self, identity: str) -> IdentityRecord:
        """Refuse the identity from now on; `add` links its subject anew. Raises: UnknownIdentityError."""
        async with self._transactions.changing() as change:
            row = await queries.identity(change.connection, identity)
            if row["removed_at"] is None:
                mine = identities.c.id == identity
                await change.connection.execute(update(identities).where(mine).values(removed_at=change.now))
                change.record("identity_removed", what=row["user_id"] or row["service_account_id"], detail=identity)
            return await _one(change, identity)


async def _user_to_link(
    connection: AsyncConnection, *, issuer: str, subject: str, email: str, tenants: Collection[str], lock: bool = False
) -> tuple[str | None, str | None]:
    """Return the user to whom the address links the subject; or None, and the subject's identity if it has one."""
    query = select(users.c.id).where(users.c.email == email.casefold(), users.c.disabled_at.is_(None))
    # Locked, so that two subjects with one address are not both linked.
    user: str | None = await connection.scalar(query.with_for_update() if lock else query)
    if user is None:
        return None, None
    member_of = set(await connection.scalars(select(memberships.c.tenant_id).where(memberships.c.user_id == user)))
    theirs = (identities.c.issuer == issuer) & (identities.c.user_id == user)
    rows = await connection.execute(select(identities.c.subject, identities.c.id).where(theirs))
    known = {row.subject: str(row.id) for row in rows}
    if known or not (member_of & set(tenants) if tenants else member_of):
        return None, known.get(subject)  # it may have been linked on another instance meanwhile
    return user, None


async def _forget_removed(change: AuditedChange, issuer: str, subject: str) -> None:
    """Delete the identity if it was removed, and with it the grants and codes that ended then."""
    mine = (identities.c.issuer == issuer) & (identities.c.subject == subject) & identities.c.removed_at.is_not(None)
    removed = select(identities.c.id).where(mine)
    for table in (authorization_codes, grants):
        await change.connection.execute(delete(table).where(table.c.identity_id.in_(removed)))
    await change.connection.execute(delete(identities).where(mine))


async def insert_identity(
    change: AuditedChange, issuer: str, subject: str, owner: Mapping[str, str], *, tenant: str = "", how: str = ""
) -> str:
    """Store an identity and return its id; `how` it was linked is audited. Raises: AlreadyExistsError."""
    identity_id = queries.IDENTITY_ID + secrets.token_hex(8)
    values = {"id": identity_id, "issuer": issuer, "subject": subject, "created_at": change.now, **owner}
    try:
        await change.connection.execute(insert(identities).values(**values))
    except IntegrityError as error:
        raise AlreadyExistsError(
            f"The subject {subject!r} of {issuer} already belongs to a user or a service account. Each belongs to one; "
            "remove that identity first."
        ) from error
    change.record(
        "identity_added", tenant=tenant, what=next(iter(owner.values())), detail=f"{identity_id}: {issuer}{how}"
    )
    return identity_id


def _identities() -> Select[tuple[object, ...]]:
    return (
        select(
            identities,
            service_accounts.c.tenant_id,
            func.coalesce(users.c.email, service_accounts.c.name).label("owner_name"),
        )
        .select_from(identities)
        .outerjoin(users, users.c.id == identities.c.user_id)
        .outerjoin(service_accounts, service_accounts.c.id == identities.c.service_account_id)
    )


async def _one(change: AuditedChange, identity: str) -> IdentityRecord:
    query = _identities().where(identities.c.id == identity)
    return _record((await change.connection.execute(query)).mappings().one())


def _record(row: RowMapping) -> IdentityRecord:
    return IdentityRecord(
        id=row["id"],
        issuer=row["issuer"],
        subject=row["subject"],
        owner=row["user_id"] or row["service_account_id"],
        owner_name=row["owner_name"],
        tenant=row["tenant_id"],
        created_at=row["created_at"],
        removed_at=row["removed_at"],
    )
