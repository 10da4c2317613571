"""Service accounts: programs of a tenant that act in their own name."""

import secrets

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from auth import validation
from auth.store import queries
from auth.store.errors import AlreadyExistsError
from auth.store.records import ServiceAccountRecord
from auth.store.tables import service_accounts
from auth.store.transactions import AuditedTransactions, switch
from shared.errors import InvalidInputError
from shared.identity import Role


class ServiceAccounts:
    """Adds, changes and lists service accounts. Every change is audited. All methods raise: DatabaseBusyError.

    `account` is a name within the tenant, or an id (`svc_…`).
    """

    def __init__(self, transactions: AuditedTransactions) -> None:
        self._transactions = transactions

    async def add(self, tenant: str, name: str, *, role: str, ticket_user: str | None = None) -> ServiceAccountRecord:
        """Add a service account; `ticket_user` is the id of the user of the ticket system it writes as.

        Raises:
            InvalidInputError: the name or the role is invalid.
            UnknownTenantError: there is no such tenant.
            AlreadyExistsError: the tenant already has a service account with that name.
        """
        if name.strip().startswith(queries.SERVICE_ACCOUNT_ID):
            raise InvalidInputError(
                f"A name must not begin with {queries.SERVICE_ACCOUNT_ID}, the prefix of ids.", field="name"
            )
        account_id, as_role = queries.SERVICE_ACCOUNT_ID + secrets.token_hex(8), validation.role(role)
        values = {
            "id": account_id,
            "tenant_id": tenant,
            "name": validation.label(name),
            "role": as_role.value,
            "ticket_user": validation.ticket_user(ticket_user or ""),
        }
        async with self._transactions.changing() as change:
            await queries.tenant(change.connection, tenant)
            try:
                await change.connection.execute(insert(service_accounts).values(created_at=change.now, **values))
            except IntegrityError as error:
                raise AlreadyExistsError(
                    f"Tenant {tenant!r} already has a service account {name!r}. Choose another name."
                ) from error
            change.record("service_account_added", tenant=tenant, what=account_id, detail=as_role.value)
            return _record(await queries.service_account(change.connection, tenant, account_id))

    async def set(
        self, tenant: str, account: str, *, role: str | None = None, ticket_user: str | None = None
    ) -> ServiceAccountRecord:
        """Change a service account; an empty `ticket_user` removes the user it writes as, None keeps role or user.

        Raises:
            InvalidInputError: there is no such role.
            UnknownTenantError, UnknownServiceAccountError: there is no such tenant or account.
        """
        values: dict[str, str | None] = {}
        if role is not None:
            values["role"] = validation.role(role).value
        if ticket_user is not None:
            values["ticket_user"] = validation.ticket_user(ticket_user)
        async with self._transactions.changing() as change:
            row = await queries.service_account(change.connection, tenant, account)
            mine = service_accounts.c.id == row["id"]
            await change.connection.execute(
                update(service_accounts).where(mine).values(**{"role": row["role"], **values})
            )
            change.record(
                "service_account_set", tenant=tenant, what=row["id"], detail=values.get("role") or row["role"]
            )
            return _record(await queries.service_account(change.connection, tenant, row["id"]))

    async def all(self, *, tenant: str | None = None) -> list[ServiceAccountRecord]:
        """Return the service accounts of a tenant, or of all, by tenant and name. Raises: UnknownTenantError."""
        query = select(service_accounts).order_by(service_accounts.c.tenant_id, service_accounts.c.name)
        async with self._transactions.reading() as connection:
            if tenant is not None:
                await queries.tenant(connection, tenant)
                query = query.where(service_accounts.c.tenant_id == tenant)
            return [_record(row) for row in (await connection.execute(query)).mappings()]

    async def disable(self, tenant: str, account: str) -> ServiceAccountRecord:
        """Disable the service account. Raises: UnknownTenantError, UnknownServiceAccountError."""
        return await self._switch(tenant, account, on=False)

    async def enable(self, tenant: str, account: str) -> ServiceAccountRecord:
        """Enable it again. Raises: UnknownTenantError, UnknownServiceAccountError."""
        return await self._switch(tenant, account, on=True)

    async def _switch(self, tenant: str, account: str, *, on: bool) -> ServiceAccountRecord:
        async with self._transactions.changing() as change:
            row = await queries.service_account(change.connection, tenant, account)
            await switch(change, service_accounts, row, "service_account", on=on, tenant=tenant)
            return _record(await queries.service_account(change.connection, tenant, row["id"]))


def _record(row: RowMapping) -> ServiceAccountRecord:
    return ServiceAccountRecord(
        id=row["id"],
        tenant=row["tenant_id"],
        name=row["name"],
        role=Role(row["role"]),
        ticket_user=row["ticket_user"],
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
    )
