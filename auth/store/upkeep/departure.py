"""What the identity store gives to a tenant that leaves, and how it erases one.

A user belongs to a tenant here if a membership, a key or a grant says so, and is erased with it unless another tenant
has one of these as well. Audit events stay for their 90 days: triggers refuse to delete them earlier.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, String, Table, bindparam, delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.store import queries
from auth.store.audit import KEPT
from auth.store.authorization.tables import authorization_codes, grants, invitations, tenant_domains
from auth.store.tables import (
    api_keys,
    audit_events,
    erased_tenants,
    identities,
    memberships,
    service_accounts,
    tenants,
    users,
)
from auth.store.transactions import AuditedTransactions
from shared.identity import DEFAULT_TENANT
from shared.storage.export_file import export_rows

SECRET: Final = frozenset({"digest", "pepper_id", "seed", "upstream_key_sealed", "upstream_key_id"})
"""Columns that no export has: what proves keys and refresh tokens, and what is sealed."""
TENANT: Final = bindparam("of_tenant", type_=String(40))
_CLOCKS_DIFFER: Final = timedelta(days=1)
"""The triggers go by the clock of the database."""
_TIES: Final = (memberships, api_keys, grants)
"""The tables that tie a user to a tenant."""
_HERE: Final = or_(*(users.c.id.in_(select(table.c.user_id).where(table.c.tenant_id == TENANT)) for table in _TIES))
_ELSEWHERE: Final = or_(
    *(
        users.c.id.in_(select(table.c.user_id).where(table.c.tenant_id != TENANT, table.c.user_id.is_not(None)))
        for table in (*_TIES, authorization_codes)
    )
)
_MACHINES: Final = select(service_accounts.c.id).where(service_accounts.c.tenant_id == TENANT)
_IDENTITIES: Final = or_(
    identities.c.user_id.in_(select(users.c.id).where(_HERE)), identities.c.service_account_id.in_(_MACHINES)
)


def _rows(table: Table, condition: ColumnElement[bool]) -> Select[Any]:
    columns = [column for column in table.c if column.name not in SECRET]
    return select(*columns).where(condition).order_by(*table.primary_key)


def _of_tenant(*tables: Table) -> dict[str, Select[Any]]:
    return {table.name: _rows(table, table.c.tenant_id == TENANT) for table in tables}


EXPORTED: Final[Mapping[str, Select[Any]]] = MappingProxyType({
    "tenants": _rows(tenants, tenants.c.id == TENANT),
    "users": _rows(users, _HERE),
    "identities": _rows(identities, _IDENTITIES),
    **_of_tenant(memberships, service_accounts, api_keys, grants, tenant_domains, invitations),
    "audit_events": _rows(audit_events, audit_events.c.tenant == TENANT),
})  # fmt: skip
"""The rows of each table that belong to a tenant, without secrets."""


class Departures:
    """Exports and erases tenants. All methods raise: UnknownTenantError, DatabaseBusyError.

    Args:
        engine: of the store, bound to its schema.
        transactions: of the same store.
    """

    def __init__(self, engine: AsyncEngine, transactions: AuditedTransactions) -> None:
        self._engine = engine
        self._transactions = transactions

    async def export(self, tenant: str, file: Path) -> dict[str, int]:
        """Write the rows of a tenant to a new file, without secrets; return how many of each table.

        Raises:
            ExportError: the file exists or cannot be written.
        """

        async def begin(connection: AsyncConnection) -> None:
            await queries.tenant(connection, tenant)

        about = {"export": "identities", "organisation": tenant, "at": self._transactions.clock().isoformat()}
        return await export_rows(self._engine, EXPORTED, file, about, parameters={TENANT.key: tenant}, begin=begin)

    async def erase(self, tenant: str) -> None:
        """Erase a tenant in one transaction; its id is kept with the time, so that no other tenant gets it.

        `default` stays, empty: every deployment has it.
        """
        async with self._transactions.changing() as change:
            await queries.tenant(change.connection, tenant)
            await _erase(change.connection, tenant, change.now)
            change.record("tenant_erased", tenant=tenant, what=tenant)


async def _erase(connection: AsyncConnection, tenant: str, now: datetime) -> None:
    mine = {TENANT.key: tenant}
    people = list(await connection.scalars(select(users.c.id).where(_HERE, ~_ELSEWHERE), mine))
    machines = list(await connection.scalars(_MACHINES, mine))
    await _delete_of(connection, tenant, authorization_codes, api_keys, grants)
    owned = or_(identities.c.user_id.in_(people), identities.c.service_account_id.in_(machines))
    await connection.execute(delete(identities).where(owned))
    await _delete_of(connection, tenant, memberships, service_accounts, tenant_domains, invitations)
    await connection.execute(delete(users).where(users.c.id.in_(people)))
    old = (audit_events.c.tenant == tenant, audit_events.c.at <= now - KEPT - _CLOCKS_DIFFER)
    await connection.execute(delete(audit_events).where(*old))
    if tenant != DEFAULT_TENANT.id:
        await connection.execute(delete(tenants).where(tenants.c.id == tenant))
        await connection.execute(insert(erased_tenants).values(id=tenant, erased_at=now))


async def _delete_of(connection: AsyncConnection, tenant: str, *tables: Table) -> None:
    for table in tables:
        await connection.execute(delete(table).where(table.c.tenant_id == tenant))
