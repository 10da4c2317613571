"""The operations on tenants and their keys: one function per command, over an open database.

On PostgreSQL they run as the owner of the tables or as the serving role; the rights of either are enough.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, RowMapping

from shared.command_lines import command_line
from shared.storage.transactions import Transactions
from ticket_api.keys import digest_of, new_key
from ticket_api.store import tenants
from ticket_api.store.connection import TenantConnection
from ticket_api.tenancy import Fill, make_tenant

LONGEST_NAME: Final = 200


class CommandError(Exception):
    """The command cannot be carried out; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A key that was just created; only this object holds it."""

    id: str
    key: str

    def __repr__(self) -> str:
        """Leave out the key."""
        return f"NewKey(id={self.id!r})"


async def add_tenant(
    transactions: Transactions,
    tenant: str,
    *,
    name: str | None,
    fill: Fill | None,
    now: datetime,
    may_administer: bool = False,
) -> CreatedKey:
    """Create a tenant, fill it by `fill`, and create its first key. Raises: CommandError, ValueError."""
    if name is not None and not 1 <= len(name) <= LONGEST_NAME:
        raise CommandError(f"The name of a tenant must have 1 to {LONGEST_NAME} characters.")

    def add(connection: Connection) -> CreatedKey:
        if not make_tenant(connection, tenant, fill=fill, now=now, name=name):
            raise CommandError(f"The tenant {tenant!r} already exists. `tenant new-key {tenant}` creates another key.")
        return _add_key(TenantConnection.open(connection, tenant), now, may_administer=may_administer)

    return await transactions.write(add)


async def add_key(
    transactions: Transactions, tenant: str, *, now: datetime, may_administer: bool = False
) -> CreatedKey:
    """Create an additional key for a tenant; its other keys stay valid. Raises: CommandError."""

    def add(connection: Connection) -> CreatedKey:
        if not tenants.exists(connection, tenant):
            raise no_tenant(tenant)
        return _add_key(TenantConnection.open(connection, tenant), now, may_administer=may_administer)

    return await transactions.write(add)


def _add_key(db: TenantConnection, now: datetime, *, may_administer: bool) -> CreatedKey:
    made = CreatedKey(secrets.token_hex(4), new_key())
    tenants.add_key(db, made.id, digest_of(made.key), now, may_administer=may_administer)
    return made


async def require_tenant(transactions: Transactions, tenant: str) -> None:
    """Check that there is a tenant. Raises: CommandError."""
    if not await transactions.read(lambda connection: tenants.exists(connection, tenant)):
        raise no_tenant(tenant)


def no_tenant(tenant: str) -> CommandError:
    """Return the error for a tenant that is not there."""
    program = f"{command_line('ticket_api')} tenant"
    return CommandError(
        f"There is no tenant {tenant!r} in this database. `{program} list` shows all, `{program} add {tenant}` adds it."
    )


async def list_tenants(transactions: Transactions) -> list[tuple[RowMapping, Sequence[RowMapping]]]:
    """Return every tenant with its keys."""

    def read(connection: Connection) -> list[tuple[RowMapping, Sequence[RowMapping]]]:
        every = tenants.every(connection)
        return [(one, tenants.keys(TenantConnection.open(connection, one["id"]))) for one in every]

    return await transactions.read(read)


async def owner_of_key(transactions: Transactions, key_id: str) -> str:
    """Return the tenant that owns the key with this id. Raises: CommandError."""
    for tenant, keys in await list_tenants(transactions):
        if key_id in {key["id"] for key in keys}:
            return str(tenant["id"])
    raise CommandError(f"There is no key {key_id!r}. `tenant list` shows the ids of all keys.")


async def revoke_key(transactions: Transactions, tenant: str, key_id: str, *, now: datetime) -> None:
    """Revoke a key of a tenant."""
    await transactions.write(
        lambda connection: tenants.revoke_key(TenantConnection.open(connection, tenant), key_id, now)
    )
