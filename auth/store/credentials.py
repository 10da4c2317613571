"""Lookups at run time, each in one statement: keys, identities, the upstream of a tenant; and records uses of keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import bindparam, func, or_, select, update

from auth.store.peppers import Digest, Sealed
from auth.store.records import StoredIdentity, StoredKey, StoredMembership
from auth.store.tables import api_keys, identities, memberships, service_accounts, tenants, users
from auth.store.transactions import AuditedTransactions
from shared.identity import Role, Scope

NOTED_EVERY: Final = timedelta(minutes=1)


class Use(NamedTuple):
    """One use of a key, and its digest by the current pepper if it was matched by an older one."""

    at: datetime
    old: Digest | None = None
    new: Digest | None = None


@dataclass(frozen=True, slots=True)
class StoredUpstream:
    """The ticket API of a tenant, with its key still sealed or still a reference."""

    address: str | None
    sealed: Sealed | None
    reference: str | None
    is_on: bool


_MINE: Final = api_keys.c.public_id == bindparam("key")
_NOTE_USE: Final = (
    update(api_keys)
    .where(_MINE, or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at <= bindparam("before")))
    .values(last_used_at=bindparam("at"))
)
_REHASH: Final = (
    update(api_keys)
    .where(_MINE, api_keys.c.digest == bindparam("old"))  # another instance may have replaced it already
    .values(digest=bindparam("digest"), pepper_id=bindparam("pepper_id"))
)


class CredentialLookup:
    """The queries of a running server. All methods raise: DatabaseBusyError."""

    def __init__(self, transactions: AuditedTransactions) -> None:
        self._transactions = transactions

    async def key(self, public_id: str) -> StoredKey | None:
        """Return the stored key, in one statement, or None."""
        query = (
            select(
                api_keys,
                users.c.email,
                func.coalesce(memberships.c.role, service_accounts.c.role).label("role"),
                func.coalesce(memberships.c.ticket_user, service_accounts.c.ticket_user).label("ticket_user"),
                (
                    api_keys.c.revoked_at.is_(None)
                    & tenants.c.disabled_at.is_(None)
                    & users.c.disabled_at.is_(None)
                    & service_accounts.c.disabled_at.is_(None)
                ).label("is_on"),
            )
            .select_from(api_keys)
            .join(tenants, tenants.c.id == api_keys.c.tenant_id)
            .outerjoin(users, users.c.id == api_keys.c.user_id)
            .outerjoin(service_accounts, service_accounts.c.id == api_keys.c.service_account_id)
            .outerjoin(
                memberships,
                (memberships.c.user_id == api_keys.c.user_id) & (memberships.c.tenant_id == api_keys.c.tenant_id),
            )
            .where(api_keys.c.public_id == public_id)
        )
        async with self._transactions.reading() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        if row is None:
            return None
        return StoredKey(
            public_id=public_id,
            digest=Digest(row["digest"], row["pepper_id"]),
            tenant=row["tenant_id"],
            owner=row["user_id"] or row["service_account_id"],
            email=row["email"],
            role=None if row["role"] is None else Role(row["role"]),
            scopes=None if row["scopes"] is None else frozenset(Scope(scope) for scope in row["scopes"].split()),
            ticket_user=row["ticket_user"],
            expires_at=row["expires_at"],
            is_on=bool(row["is_on"]),
        )

    async def identity_id(self, issuer: str, subject: str) -> str | None:
        """Return the id of the identity with that subject, also if it is removed, or None."""
        mine = (identities.c.issuer == issuer) & (identities.c.subject == subject)
        async with self._transactions.reading() as connection:
            identity: str | None = await connection.scalar(select(identities.c.id).where(mine))
        return identity

    async def identity(self, identity_id: str) -> StoredIdentity | None:
        """Return an identity with what its owner may do in each tenant, or None."""
        account = service_accounts.c
        query = (
            select(
                identities,
                users.c.email,
                func.coalesce(memberships.c.role, account.role).label("role"),
                func.coalesce(memberships.c.ticket_user, account.ticket_user).label("ticket_user"),
                tenants.c.id.label("tenant_id"),
                (
                    identities.c.removed_at.is_(None) & users.c.disabled_at.is_(None) & account.disabled_at.is_(None)
                ).label("is_on"),
            )
            .select_from(identities)
            .outerjoin(users, users.c.id == identities.c.user_id)
            .outerjoin(service_accounts, account.id == identities.c.service_account_id)
            .outerjoin(memberships, memberships.c.user_id == identities.c.user_id)
            .outerjoin(
                tenants,
                (tenants.c.id == func.coalesce(memberships.c.tenant_id, account.tenant_id))
                & tenants.c.disabled_at.is_(None),
            )
            .where(identities.c.id == identity_id)
        )
        async with self._transactions.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        if not rows:
            return None
        one = rows[0]
        return StoredIdentity(
            id=one["id"],
            issuer=one["issuer"],
            owner=one["user_id"] or one["service_account_id"],
            email=one["email"],
            memberships={
                row["tenant_id"]: StoredMembership(Role(row["role"]), row["ticket_user"])
                for row in rows
                if row["tenant_id"] is not None
            },
            is_on=bool(one["is_on"]),
        )

    async def note_uses(self, uses: Mapping[str, Use]) -> None:
        """Record the last use of keys, each at most once a minute, and replace digests that use older peppers."""
        in_order = sorted(uses.items())  # a fixed order: instances that update the same keys cannot deadlock
        used = [{"key": key, "at": use.at, "before": use.at - NOTED_EVERY} for key, use in in_order]
        rehashed = [
            {"key": key, "old": use.old.value, "digest": use.new.value, "pepper_id": use.new.pepper_id}
            for key, use in in_order
            if use.old is not None and use.new is not None
        ]
        async with self._transactions.changing() as change:
            await change.connection.execute(_NOTE_USE, used)
            if rehashed:
                await change.connection.execute(_REHASH, rehashed)

    async def upstream(self, tenant: str) -> StoredUpstream | None:
        """Return the ticket API of a tenant, or None if there is no such tenant."""
        async with self._transactions.reading() as connection:
            row = (await connection.execute(select(tenants).where(tenants.c.id == tenant))).mappings().one_or_none()
        if row is None:
            return None
        is_sealed = row["upstream_key_sealed"] is not None
        return StoredUpstream(
            address=row["upstream_address"],
            sealed=Sealed(row["upstream_key_sealed"], row["upstream_key_id"]) if is_sealed else None,
            reference=row["upstream_key_ref"],
            is_on=row["disabled_at"] is None,
        )
