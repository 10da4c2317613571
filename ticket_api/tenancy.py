"""Tenants: the organisations that share this API. How one comes to be, and transactions that are one tenant's alone.

A tenant is made once, with its sample data and in one transaction, by whoever comes first: a request, the start or an
operator. It is never filled later.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database import Database
from ticket_api.store import numbers, tenants
from ticket_api.store.connection import TenantConnection

DEFAULT: Final = "default"
"""The tenant of a deployment that has only one."""
TENANT_ID: Final = re.compile(r"[\x21-\x7e]{1,50}")
MOST_REMEMBERED: Final = 10_000

Fill = Callable[[TenantConnection], Awaitable[None]]


async def make_tenant(
    connection: AsyncConnection, tenant: str, *, fill: Fill | None, now: datetime, name: str | None = None
) -> bool:
    """Make a tenant with what `fill` writes, unless there is one already. Tell whether it was made.

    Raises:
        ValueError: `tenant` is not 1 to 50 visible ASCII characters.
    """
    if not TENANT_ID.fullmatch(tenant):
        raise ValueError("The id of a tenant is 1 to 50 visible ASCII characters, without spaces.")
    if not await tenants.add(connection, tenant, name or tenant, now):
        return False
    db = await TenantConnection.open(connection, tenant)
    await numbers.begin(db)
    if fill is not None:
        await fill(db)
    return True


class Tenants:
    """The database as its tenants see it; a tenant that is new here is made before its first transaction."""

    def __init__(self, database: Database, *, fill: Fill | None, clock: Callable[[], datetime]) -> None:
        self.database = database
        self._fill = fill
        self._clock = clock
        self._there: set[str] = set()

    @asynccontextmanager
    async def reading(self, tenant: str) -> AsyncIterator[TenantConnection]:
        """Give a transaction of `tenant` that sees one state of its data. Raises: DatabaseBusyError."""
        await self._see_to(tenant)
        async with self.database.reading() as connection:
            yield await TenantConnection.open(connection, tenant)

    @asynccontextmanager
    async def writing(self, tenant: str) -> AsyncIterator[TenantConnection]:
        """Give a transaction of `tenant` that is committed at the end, or rolled back when the block raises.

        Raises: DatabaseBusyError.
        """
        await self._see_to(tenant)
        async with self.database.writing() as connection:
            yield await TenantConnection.open(connection, tenant)

    async def _see_to(self, tenant: str) -> None:
        if tenant in self._there:
            return
        async with self.database.reading() as connection:
            is_there = await tenants.exists(connection, tenant)
        if not is_there:
            async with self.database.writing() as connection:
                await make_tenant(connection, tenant, fill=self._fill, now=self._clock())
        if len(self._there) >= MOST_REMEMBERED:
            self._there.clear()
        self._there.add(tenant)
