"""Writes all that the ticket database holds of one tenant to a file. `shared.storage.export_file` has its form.

Everything but what is computed from the rest: folded texts, the index of the search, and the digests of keys.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import URL, Select, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.storage.database import open_engine
from shared.storage.export_file import LONGEST_EXPORT_S, export_rows
from ticket_api.commands import no_tenant
from ticket_api.store import tenants
from ticket_api.store.connection import TENANT, TenantConnection
from ticket_api.store.tables import metadata

COMPUTED: Final = frozenset({"renamed"})
"""Tables that only say what the index of the search still has to do."""
LEFT_OUT: Final = ("_folded", "digest", "tenant_id")
"""The ends of the names of columns that are computed, secret, or the same in every row."""


def _of_table(table: Table) -> Select[Any]:
    columns = [column for column in table.c if not column.name.endswith(LEFT_OUT)]
    return TenantConnection.select(table, *columns).order_by(*table.primary_key)


TENANT_ROW: Final = "tenants"
QUERIES: Final = MappingProxyType({
    TENANT_ROW: select(metadata.tables[TENANT_ROW]).where(metadata.tables[TENANT_ROW].c.id == TENANT),
    **{
        table.name: _of_table(table)
        for table in metadata.sorted_tables
        if "tenant_id" in table.c and table.name not in COMPUTED
    },
})  # fmt: skip


async def export_tenant(url: URL, tenant: str, file: Path, *, clock: Callable[[], datetime]) -> dict[str, int]:
    """Write the rows of a tenant to `file`; return how many of each table.

    Raises:
        CommandError: there is no such tenant.
        ExportError, DatabaseBusyError: as `export_rows`.
    """

    async def begin(connection: AsyncConnection) -> None:
        await connection.run_sync(TenantConnection.open, tenant)
        if not await connection.run_sync(tenants.exists, tenant):
            raise no_tenant(tenant)

    about = {"export": "tickets", "organisation": tenant, "at": clock().isoformat()}
    async with open_engine(url, statement_s=LONGEST_EXPORT_S) as engine:
        return await export_rows(engine, QUERIES, file, about, parameters={TENANT.key: tenant}, begin=begin)
