"""The tenants of this database and their API keys, which are stored only as digests."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select

from ticket_api.store.connection import TenantConnection, add_if_new, name_to_policies
from ticket_api.store.tables import api_keys, erased_tenants, tenants


def exists(connection: Connection, tenant: str) -> bool:
    """Return whether the tenant exists."""
    return connection.scalar(select(tenants.c.id).where(tenants.c.id == tenant)) is not None


def add(connection: Connection, tenant: str, name: str, now: datetime) -> bool:
    """Store a tenant unless the id exists; return whether it did. Waits for a transaction that is adding it."""
    return add_if_new(connection, tenants, {"id": tenant, "name": name, "created_at": now})


def was_erased(connection: Connection, tenant: str) -> bool:
    """Return whether a tenant with this id was erased."""
    return connection.scalar(select(erased_tenants.c.id).where(erased_tenants.c.id == tenant)) is not None


def every(connection: Connection) -> Sequence[RowMapping]:
    """Return all tenants, by id."""
    return (connection.execute(select(tenants).order_by(tenants.c.id))).mappings().all()


def of_digest(connection: Connection, digest: str) -> RowMapping | None:
    """Return the key with this digest, if it exists and is not revoked."""
    name_to_policies(connection, "app.key_digest", digest)
    valid = select(api_keys).where(api_keys.c.digest == digest, api_keys.c.revoked_at.is_(None))
    return connection.execute(valid).mappings().one_or_none()


def keys(db: TenantConnection) -> Sequence[RowMapping]:
    """Return the tenant's keys, oldest first."""
    return (db.execute(db.select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id))).mappings().all()


def add_key(db: TenantConnection, key_id: str, digest: str, now: datetime, *, may_administer: bool) -> None:
    """Store a key of the tenant."""
    db.execute(db.insert(api_keys).values(id=key_id, digest=digest, created_at=now, may_administer=may_administer))


def revoke_key(db: TenantConnection, key_id: str, now: datetime) -> None:
    """Revoke a key of the tenant; a revoked key keeps its time of revocation."""
    mine = (api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    db.execute(db.update(api_keys).where(*mine).values(revoked_at=now))
