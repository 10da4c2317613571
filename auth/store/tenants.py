"""Tenants (organisations) and the ticket API of each."""

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from auth import validation
from auth.store import queries
from auth.store.errors import AlreadyExistsError
from auth.store.peppers import Sealed, Secrets
from auth.store.records import TenantRecord, UpstreamKey
from auth.store.tables import erased_tenants, tenants
from auth.store.transactions import AuditedChange, AuditedTransactions, switch
from shared.errors import InvalidInputError


class Tenants:
    """Adds, changes and lists tenants. Every change is audited. All methods raise: DatabaseBusyError."""

    def __init__(self, transactions: AuditedTransactions, secrets: Secrets) -> None:
        self._transactions = transactions
        self._secrets = secrets

    async def add(self, tenant: str, *, name: str | None = None) -> TenantRecord:
        """Add a tenant that shares the deployment's ticket API; its name defaults to its id.

        Raises:
            InvalidInputError: the id or the name is invalid.
            AlreadyExistsError: the id is taken.
        """
        async with self._transactions.changing() as change:
            await insert_tenant(change, tenant, name)
            return _record(await queries.tenant(change.connection, tenant))

    async def all(self) -> list[TenantRecord]:
        """Return every tenant, by id."""
        async with self._transactions.reading() as connection:
            rows = (await connection.execute(select(tenants).order_by(tenants.c.id))).mappings()
            return [_record(row) for row in rows]

    async def disable(self, tenant: str) -> TenantRecord:
        """Disable the tenant: all its keys are refused, nothing is deleted. Raises: UnknownTenantError."""
        return await self._switch(tenant, on=False)

    async def enable(self, tenant: str) -> TenantRecord:
        """Enable the tenant again. Raises: UnknownTenantError."""
        return await self._switch(tenant, on=True)

    async def set_upstream(
        self,
        tenant: str,
        address: str | None,
        *,
        key: str | None = None,
        key_ref: str | None = None,
        allow_private: bool = False,
    ) -> TenantRecord:
        """Give the tenant a ticket API of its own, with a key to seal, a reference to a key, or neither.

        Without an address, the key is for the deployment's ticket API, which identifies tenants by their keys.
        The previous address and key are replaced. `key_ref` is `env:NAME` or `file:/path` on the server.

        Raises:
            InvalidInputError: the address or the reference is invalid, or both a key and a reference are given.
            UnknownTenantError: there is no such tenant.
        """
        if key is not None and key_ref is not None:
            raise InvalidInputError("Give either the upstream key itself or a reference to it, not both.")
        if key is not None and not (key.strip() and key.strip().isprintable()):
            raise InvalidInputError("The upstream key must be visible characters on one line.", field="upstream_key")
        if address is not None:
            address = validation.upstream_address(address, allow_private=allow_private)
        reference = None if key_ref is None else validation.upstream_reference(key_ref)
        sealed = None if key is None else self._secrets.seal(key.strip(), tenant)
        async with self._transactions.changing() as change:
            return await self._set(
                change,
                tenant,
                "tenant_upstream_set",
                upstream_address=address,
                upstream_key_sealed=sealed.text if sealed else None,
                upstream_key_id=sealed.secret_id if sealed else None,
                upstream_key_ref=reference,
            )

    async def clear_upstream(self, tenant: str) -> TenantRecord:
        """Let the tenant share the deployment's ticket API. Raises: UnknownTenantError."""
        nothing = dict.fromkeys(("upstream_address", "upstream_key_sealed", "upstream_key_id", "upstream_key_ref"))
        async with self._transactions.changing() as change:
            return await self._set(change, tenant, "tenant_upstream_cleared", **nothing)

    async def reseal(self) -> int:
        """Reseal every upstream key with the current secret, so that older ones can be removed; return how many.

        Raises:
            UpstreamKeyError: a key cannot be decrypted; nothing was changed.
        """
        older = tenants.c.upstream_key_id.is_not(None) & (tenants.c.upstream_key_id != self._secrets.current_id)
        async with self._transactions.changing() as change:
            rows = (await change.connection.execute(select(tenants).where(older).with_for_update())).mappings().all()
            for row in rows:
                plain = self._secrets.open(Sealed(row["upstream_key_sealed"], row["upstream_key_id"]), row["id"])
                sealed = self._secrets.seal(plain, row["id"])
                await self._set(
                    change,
                    row["id"],
                    "tenant_upstream_resealed",
                    upstream_key_sealed=sealed.text,
                    upstream_key_id=sealed.secret_id,
                )
        return len(rows)

    async def _switch(self, tenant: str, *, on: bool) -> TenantRecord:
        async with self._transactions.changing() as change:
            row = await queries.tenant(change.connection, tenant)
            await switch(change, tenants, row, "tenant", on=on, tenant=tenant)
            return _record(await queries.tenant(change.connection, tenant))

    async def _set(self, change: AuditedChange, tenant: str, action: str, **values: str | None) -> TenantRecord:
        await change.connection.execute(update(tenants).where(tenants.c.id == tenant).values(**values))
        row = await queries.tenant(change.connection, tenant)
        change.record(action, tenant=tenant, what=tenant)
        return _record(row)


async def insert_tenant(change: AuditedChange, tenant: str, name: str | None = None) -> None:
    """Store a new tenant. Raises: InvalidInputError, AlreadyExistsError."""
    if await change.connection.scalar(select(erased_tenants.c.id).where(erased_tenants.c.id == tenant)):
        raise AlreadyExistsError(f"The tenant {tenant!r} was erased. Choose another id.")
    values = {"id": validation.slug(tenant), "name": validation.label(name or tenant), "created_at": change.now}
    try:
        await change.connection.execute(insert(tenants).values(**values))
    except IntegrityError as error:
        raise AlreadyExistsError(f"The tenant {tenant!r} already exists. Choose another id.") from error
    change.record("tenant_added", tenant=tenant, what=tenant)


def _record(row: RowMapping) -> TenantRecord:
    kept = UpstreamKey.NONE
    if row["upstream_key_sealed"] is not None:
        kept = UpstreamKey.SEALED
    elif row["upstream_key_ref"] is not None:
        kept = UpstreamKey.REFERENCE
    return TenantRecord(
        id=row["id"],
        name=row["name"],
        upstream_address=row["upstream_address"],
        upstream_key=kept,
        upstream_key_ref=row["upstream_key_ref"],
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
    )
