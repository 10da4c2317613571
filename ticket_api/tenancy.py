"""Tenants: the organisations that share this API; their creation, and transactions that are limited to one of them.

A tenant is created once, in one transaction: by a request, at startup or by an operator, whichever is first. Sample
data is for the first tenant of a database, or for one that an operator asks it for; all others begin empty.
"""

import re
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from shared.storage.transactions import Transactions
from ticket_api.errors import ApiForbiddenError
from ticket_api.store import numbers, tenants
from ticket_api.store.connection import TenantConnection

DEFAULT: Final = "default"
"""The tenant of a deployment that has only one."""
TENANT_ID: Final = re.compile(r"[\x21-\x7e]{1,50}")
MOST_REMEMBERED: Final = 10_000
FOREIGN_KEY_VIOLATION: Final = "23503"
"""PostgreSQL's code (its appendix A). Writers of an SQLite file wait for each other, so there it cannot happen."""

T = TypeVar("T")
Fill = Callable[[TenantConnection], None]


def make_tenant(
    connection: Connection, tenant: str, *, fill: Fill | None, now: datetime, name: str | None = None
) -> bool:
    """Create a tenant with the data of `fill` unless it exists. Return whether it was created.

    Raises:
        ValueError: `tenant` is not 1 to 50 visible ASCII characters.
        ApiForbiddenError: a tenant with this id was erased.
    """
    if not TENANT_ID.fullmatch(tenant):
        raise ValueError("The id of a tenant must be 1 to 50 visible ASCII characters, without spaces.")
    if tenants.was_erased(connection, tenant):
        raise ApiForbiddenError(f"The organisation {tenant!r} was erased. Nothing was changed.", kind="erased")
    if not tenants.add(connection, tenant, name or tenant, now):
        return False
    db = TenantConnection.open(connection, tenant)
    numbers.begin(db)
    if fill is not None:
        fill(db)
    return True


class TenantDatabase:
    """Transactions by tenant; an unknown tenant is created, empty, before its first transaction."""

    def __init__(self, transactions: Transactions, *, clock: Callable[[], datetime]) -> None:
        self.transactions = transactions
        self._clock = clock
        self._there: set[str] = set()
        self._totals: dict[Hashable, int] = {}

    async def read(self, tenant: str, work: Callable[[TenantConnection], T]) -> T:
        """Run `work` in a transaction of `tenant`, as `Transactions.read` does. Raises: DatabaseBusyError."""
        await self._see_to(tenant)
        return await self.transactions.read(
            lambda connection: work(TenantConnection.open(connection, tenant, self._totals))
        )

    async def write(self, tenant: str, work: Callable[[TenantConnection], T]) -> T:
        """Run `work` in a transaction of `tenant`, as `Transactions.write` does. Raises: DatabaseBusyError.

        If meanwhile another transaction removed a row that `work` refers to, or referred to one that it removes, `work`
        is run once more and finds that out itself.
        """
        await self._see_to(tenant)

        def in_tenant(connection: Connection) -> T:
            return work(TenantConnection.open(connection, tenant))

        try:
            return await self.transactions.write(in_tenant)
        except IntegrityError as error:
            if getattr(error.orig, "sqlstate", None) != FOREIGN_KEY_VIOLATION:
                raise
        return await self.transactions.write(in_tenant)

    async def _see_to(self, tenant: str) -> None:
        if tenant in self._there:
            return
        if not await self.transactions.read(lambda connection: tenants.exists(connection, tenant)):
            now = self._clock()
            await self.transactions.write(lambda connection: make_tenant(connection, tenant, fill=None, now=now))
        if len(self._there) >= MOST_REMEMBERED:
            self._there.clear()
        self._there.add(tenant)
