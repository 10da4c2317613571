"""Creates, lists, rotates and revokes API keys for operators. `auth.store.credentials` has the lookup of a request."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import RowMapping, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth import validation
from auth.store import queries
from auth.store.errors import NotUsableError, UnknownKeyError
from auth.store.key_format import new_key
from auth.store.peppers import Secrets
from auth.store.records import KeyRecord, KeyState, NewKey
from auth.store.tables import api_keys, service_accounts, users
from auth.store.transactions import AuditedChange, AuditedTransactions
from shared.errors import InvalidInputError
from shared.identity import Role, Scope

LIFE: Final = timedelta(days=90)
"""Default lifetime of a key."""
OVERLAP: Final = timedelta(days=7)
"""Default time that a rotated key stays valid beside its successor."""


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """The owner of a key: a user within a tenant, or a service account."""

    tenant: str
    user_id: str | None = None
    service_account_id: str | None = None


class ApiKeys:
    """Creates, lists, rotates and revokes keys. Every change is audited. All methods raise: DatabaseBusyError."""

    def __init__(self, transactions: AuditedTransactions, secrets: Secrets) -> None:
        self._transactions = transactions
        self._secrets = secrets

    async def create(
        self,
        tenant: str,
        *,
        user: str | None = None,
        service_account: str | None = None,
        name: str,
        scopes: Collection[str] | None = None,
        life: timedelta = LIFE,
    ) -> NewKey:
        """Create a key for a member or a service account of a tenant; name exactly one of the two.

        `scopes` is a subset of those of the owner's role; None means all of them, also after a change of role.

        Raises:
            InvalidInputError: no owner or two, a scope the role lacks, a lifetime that is too long, or no name.
            UnknownError: there is no such tenant, user, membership or service account.
            NotUsableError: the tenant or the owner is disabled.
        """
        async with self._transactions.changing() as change:
            owner, role = await _owner(change.connection, tenant, user, service_account)
            return await insert_key(
                change, self._secrets, owner, name=name, scopes=validation.scopes(scopes, role), life=life
            )

    async def all(self, *, tenant: str | None = None, user: str | None = None) -> list[KeyRecord]:
        """Return the keys of a tenant, of a user, of both, or all; by tenant and age. Raises: UnknownError."""
        query = _keys().order_by(api_keys.c.tenant_id, api_keys.c.created_at, api_keys.c.public_id)
        async with self._transactions.reading() as connection:
            if tenant is not None:
                await queries.tenant(connection, tenant)
                query = query.where(api_keys.c.tenant_id == tenant)
            if user is not None:
                query = query.where(api_keys.c.user_id == (await queries.user(connection, user))["id"])
            now = self._transactions.clock()
            return [_record(row, now) for row in (await connection.execute(query)).mappings()]

    async def one(self, public_id: str) -> KeyRecord:
        """Return a key. Raises: UnknownKeyError."""
        async with self._transactions.reading() as connection:
            return await _read(connection, public_id, self._transactions.clock())

    async def revoke(self, public_id: str) -> KeyRecord:
        """Revoke a key at once; instances that cached it follow when their cache expires. Raises: UnknownKeyError."""
        async with self._transactions.changing() as change:
            key = await queries.key(change.connection, public_id)
            if key["revoked_at"] is None:
                await _set(change, public_id, revoked_at=change.now)
                change.record("key_revoked", tenant=key["tenant_id"], what=public_id)
            return await _read(change.connection, public_id, change.now)

    async def rotate(self, public_id: str, *, overlap: timedelta = OVERLAP, life: timedelta = LIFE) -> NewKey:
        """Create a successor to a key, and let the old key expire after `overlap`, or earlier if it would anyway.

        Raises:
            UnknownKeyError: there is no such key.
            NotUsableError: the key is already revoked or expired.
            InvalidInputError: a duration is out of range.
        """
        overlap = validation.overlap(overlap)
        async with self._transactions.changing() as change:
            old = await queries.key(change.connection, public_id)
            if old["revoked_at"] is not None or old["expires_at"] <= change.now:
                raise NotUsableError(f"Key {public_id} is revoked or expired: create a new one instead.")
            await _set(change, public_id, expires_at=min(old["expires_at"], change.now + overlap))
            owner = KeyOwner(old["tenant_id"], old["user_id"], old["service_account_id"])
            scopes = _scopes(old["scopes"])
            new = await insert_key(change, self._secrets, owner, name=old["name"], scopes=scopes, life=life)
            change.record("key_rotated", tenant=owner.tenant, what=public_id, detail=new.record.public_id)
            return new


async def insert_key(
    change: AuditedChange,
    secrets: Secrets,
    owner: KeyOwner,
    *,
    name: str,
    scopes: frozenset[Scope] | None = None,
    life: timedelta = LIFE,
) -> NewKey:
    """Store a new key and return it with its text. Raises: InvalidInputError."""
    key = new_key()
    digest = secrets.digest(key.secret)
    values = {
        "public_id": key.public_id,
        "tenant_id": owner.tenant,
        "user_id": owner.user_id,
        "service_account_id": owner.service_account_id,
        "name": validation.label(name),
        "scopes": None if scopes is None else " ".join(sorted(scopes)),
        "digest": digest.value,
        "pepper_id": digest.pepper_id,
        "created_at": change.now,
        "expires_at": change.now + validation.life(life),
    }
    await change.connection.execute(insert(api_keys).values(**values))
    holder = owner.user_id or owner.service_account_id or ""
    change.record("key_created", tenant=owner.tenant, what=key.public_id, detail=holder)
    return NewKey(text=key.text, record=await _read(change.connection, key.public_id, change.now))


async def _owner(
    connection: AsyncConnection, tenant: str, user: str | None, service_account: str | None
) -> tuple[KeyOwner, Role]:
    await queries.usable_tenant(connection, tenant)
    if (user is None) == (service_account is None):
        raise InvalidInputError("A key belongs to a user or to a service account: name exactly one of them.")
    if user is not None:
        row = await queries.user(connection, user)
        owner, role = KeyOwner(tenant, user_id=row["id"]), await queries.role_of_member(connection, row, tenant)
    else:
        row = await queries.service_account(connection, tenant, service_account or "")
        owner, role = KeyOwner(tenant, service_account_id=row["id"]), Role(row["role"])
    if row["disabled_at"] is not None:
        raise NotUsableError(f"{user or service_account!r} is disabled. Enable it first.")
    return owner, role


def _keys() -> Select[tuple[object, ...]]:
    return (
        select(api_keys, func.coalesce(users.c.email, service_accounts.c.name).label("owner_name"))
        .select_from(api_keys)
        .outerjoin(users, users.c.id == api_keys.c.user_id)
        .outerjoin(service_accounts, service_accounts.c.id == api_keys.c.service_account_id)
    )


async def _set(change: AuditedChange, public_id: str, **values: datetime) -> None:
    await change.connection.execute(update(api_keys).where(api_keys.c.public_id == public_id).values(**values))


async def _read(connection: AsyncConnection, public_id: str, now: datetime) -> KeyRecord:
    row = (await connection.execute(_keys().where(api_keys.c.public_id == public_id))).mappings().one_or_none()
    if row is None:
        raise UnknownKeyError(public_id)
    return _record(row, now)


def _record(row: RowMapping, now: datetime) -> KeyRecord:
    state = KeyState.EXPIRED if row["expires_at"] <= now else KeyState.ACTIVE
    return KeyRecord(
        public_id=row["public_id"],
        tenant=row["tenant_id"],
        owner=row["user_id"] or row["service_account_id"],
        owner_name=row["owner_name"],
        name=row["name"],
        scopes=_scopes(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
        state=state if row["revoked_at"] is None else KeyState.REVOKED,
    )


def _scopes(stored: str | None) -> frozenset[Scope] | None:
    return None if stored is None else frozenset(Scope(scope) for scope in stored.split())
