"""What an operator does with tenants and their keys: one function for each command, over an open database.

On PostgreSQL they run as the owner of the tables or as the role that serves, whose rights are enough.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, RowMapping

from shared.storage.transactions import Transactions
from ticket_api.keys import digest_of, new_key
from ticket_api.store import tenants
from ticket_api.store.connection import TenantConnection
from ticket_api.tenancy import Fill, make_tenant

LONGEST_NAME: Final = 200


class CommandError(Exception):
    """It cannot be done; the text says why, and what could be."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: nothing but this object knows it."""

    id: str
    key: str

    def __repr__(self) -> str:
        """Show no key."""
        return f"NewKey(id={self.id!r})"


async def add_tenant(
    transactions: Transactions, tenant: str, *, name: str | None, fill: Fill | None, now: datetime
) -> NewKey:
    """Make a tenant with what `fill` writes, and its first key. Raises: CommandError, ValueError."""
    if name is not None and not 1 <= len(name) <= LONGEST_NAME:
        raise CommandError(f"The name of a tenant has 1 to {LONGEST_NAME} characters.")

    def add(connection: Connection) -> NewKey:
        if not make_tenant(connection, tenant, fill=fill, now=now, name=name):
            raise CommandError(f"There is a tenant {tenant!r} already. `tenant new-key {tenant}` makes one more key.")
        return _add_key(TenantConnection.open(connection, tenant), now)

    return await transactions.write(add)


async def add_key(transactions: Transactions, tenant: str, *, now: datetime) -> NewKey:
    """Make one more key of a tenant; the others go on. Raises: CommandError."""

    def add(connection: Connection) -> NewKey:
        if not tenants.exists(connection, tenant):
            raise CommandError(f"There is no tenant {tenant!r}. `tenant list` shows all, `tenant add` makes one.")
        return _add_key(TenantConnection.open(connection, tenant), now)

    return await transactions.write(add)


def _add_key(db: TenantConnection, now: datetime) -> NewKey:
    made = NewKey(secrets.token_hex(4), new_key())
    tenants.add_key(db, made.id, digest_of(made.key), now)
    return made


async def list_tenants(transactions: Transactions) -> list[tuple[RowMapping, Sequence[RowMapping]]]:
    """Return every tenant with its keys."""

    def read(connection: Connection) -> list[tuple[RowMapping, Sequence[RowMapping]]]:
        every = tenants.every(connection)
        return [(one, tenants.keys(TenantConnection.open(connection, one["id"]))) for one in every]

    return await transactions.read(read)


async def owner_of_key(transactions: Transactions, key_id: str) -> str:
    """Return the tenant that has the key with this id. Raises: CommandError."""
    for tenant, keys in await list_tenants(transactions):
        if key_id in {key["id"] for key in keys}:
            return str(tenant["id"])
    raise CommandError(f"There is no key {key_id!r}. `tenant list` shows the ids of all keys.")


async def revoke_key(transactions: Transactions, tenant: str, key_id: str, *, now: datetime) -> None:
    """Revoke a key of a tenant."""
    await transactions.write(
        lambda connection: tenants.revoke_key(TenantConnection.open(connection, tenant), key_id, now)
    )
