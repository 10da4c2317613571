"""Finds the objects an operator names, inside a transaction; errors say what is valid."""

from datetime import datetime
from typing import Final

from sqlalchemy import RowMapping, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.store.errors import (
    NotUsableError,
    UnknownIdentityError,
    UnknownKeyError,
    UnknownMembershipError,
    UnknownServiceAccountError,
    UnknownTenantError,
    UnknownUserError,
)
from auth.store.tables import api_keys, identities, memberships, service_accounts, tenants, users
from shared.identity import Role

USER_ID: Final = "usr_"
SERVICE_ACCOUNT_ID: Final = "svc_"
IDENTITY_ID: Final = "idn_"


async def tenant(connection: AsyncConnection, tenant_id: str) -> RowMapping:
    """Return the row of a tenant. Raises: UnknownTenantError."""
    row = await _row(connection, select(tenants).where(tenants.c.id == tenant_id))
    if row is None:
        raise UnknownTenantError(tenant_id)
    return row


async def usable_tenant(connection: AsyncConnection, tenant_id: str) -> RowMapping:
    """Return the row of a tenant that is not disabled. Raises: UnknownTenantError, NotUsableError."""
    row = await tenant(connection, tenant_id)
    if row["disabled_at"] is not None:
        raise NotUsableError(f"Tenant {tenant_id!r} is disabled. Enable it first.")
    return row


async def user(connection: AsyncConnection, who: str) -> RowMapping:
    """Return the row of a user by id or e-mail address. Raises: UnknownUserError."""
    column, value = (users.c.id, who) if who.startswith(USER_ID) else (users.c.email, who.strip().casefold())
    row = await _row(connection, select(users).where(column == value))
    if row is None:
        raise UnknownUserError(who)
    return row


async def user_with_address(connection: AsyncConnection, address: str, *, lock: bool = False) -> RowMapping | None:
    """Return the row of the user with that casefolded e-mail address, or None; `lock` keeps other writers out."""
    query = select(users).where(users.c.email == address)
    return await _row(connection, query.with_for_update() if lock else query)


async def service_account(connection: AsyncConnection, tenant_id: str, name: str) -> RowMapping:
    """Return the row of a tenant's service account by id or name. Raises: UnknownError."""
    await tenant(connection, tenant_id)
    column = service_accounts.c.id if name.startswith(SERVICE_ACCOUNT_ID) else service_accounts.c.name
    row = await _row(
        connection, select(service_accounts).where(service_accounts.c.tenant_id == tenant_id, column == name)
    )
    if row is None:
        raise UnknownServiceAccountError(tenant_id, name)
    return row


async def role_of_member(connection: AsyncConnection, user_row: RowMapping, tenant_id: str) -> Role:
    """Return the role of a user in a tenant. Raises: UnknownMembershipError."""
    role = await connection.scalar(
        select(memberships.c.role).where(memberships.c.user_id == user_row["id"], memberships.c.tenant_id == tenant_id)
    )
    if role is None:
        raise UnknownMembershipError(user_row["email"], tenant_id)
    return Role(role)


async def administrator(connection: AsyncConnection, tenant_id: str, now: datetime) -> str | None:
    """Return the e-mail address of an enabled administrator of a tenant who has a valid key for it, or None.

    If there are several, the first by address. Locks the tenant until the transaction ends, so that others wait.
    """
    await connection.execute(select(tenants.c.id).where(tenants.c.id == tenant_id).with_for_update())
    address: str | None = await connection.scalar(
        select(users.c.email)
        .join(memberships, memberships.c.user_id == users.c.id)
        .join(api_keys, and_(api_keys.c.user_id == users.c.id, api_keys.c.tenant_id == memberships.c.tenant_id))
        .where(
            memberships.c.tenant_id == tenant_id,
            memberships.c.role == Role.ADMIN.value,
            users.c.disabled_at.is_(None),
            api_keys.c.revoked_at.is_(None),
            api_keys.c.expires_at > now,
        )
        .order_by(users.c.email)
        .limit(1)
    )
    return address


async def key(connection: AsyncConnection, public_id: str) -> RowMapping:
    """Return the row of a key, locked against other writers until the transaction ends. Raises: UnknownKeyError."""
    row = await _row(connection, select(api_keys).where(api_keys.c.public_id == public_id).with_for_update())
    if row is None:
        raise UnknownKeyError(public_id)
    return row


async def identity(connection: AsyncConnection, identity_id: str) -> RowMapping:
    """Return the row of an identity. Raises: UnknownIdentityError."""
    row = await _row(connection, select(identities).where(identities.c.id == identity_id))
    if row is None:
        raise UnknownIdentityError(identity_id)
    return row


async def _row(connection: AsyncConnection, query: Select[tuple[object, ...]]) -> RowMapping | None:
    return (await connection.execute(query)).mappings().one_or_none()
