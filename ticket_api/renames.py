"""Finishes renames: indexes the tickets of people and accounts that have another name, some at a time."""

from collections.abc import Sequence

from sqlalchemy import Connection

from ticket_api.store import tenants
from ticket_api.store.search import has_renames, index_renamed
from ticket_api.tenancy import TenantDatabase


async def finish_renames(database: TenantDatabase, tenant: str) -> None:
    """Index what the tenant's renames left to do, in short transactions; other writers of the tenant get turns.

    Searches are right before, while and after this runs, and are faster after it. Raises: DatabaseBusyError.
    """
    while await database.write(tenant, index_renamed):
        pass


async def finish_all_renames(database: TenantDatabase) -> None:
    """Finish the renames of every tenant that a process has left unfinished. Raises: DatabaseBusyError."""

    def every(connection: Connection) -> Sequence[str]:
        return [one["id"] for one in tenants.every(connection)]

    for tenant in await database.transactions.read(every):
        if await database.read(tenant, has_renames):
            await finish_renames(database, tenant)
