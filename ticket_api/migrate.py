"""Migrates the ticket database to head, or checks that this program may run on it, and creates the tenant `default`."""

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.command_lines import command_line
from shared.storage.migrations import DatabaseNotReadyError, Migrations, Standing
from ticket_api.store import roles, tenants
from ticket_api.store.search.sqlite import lacks_fts5
from ticket_api.tenancy import DEFAULT, Fill, make_tenant

LONGEST_STATEMENT_S: Final = 3600
"""How long one statement of a migration may take, in seconds: the index of a large database takes minutes."""
MIGRATIONS: Final = Migrations(
    folder=Path(__file__).with_name("migrations"),
    lock=7_402_118_533,
    what="ticket database",
    make_ready=f"Run `{command_line('ticket_api')} migrate --grant-to ROLE` with the URL of the tables' owner; ROLE is "
    "the plain role that serves (docs/ticket-api.md).",
)


async def prepare(engine: AsyncEngine, *, fill: Fill | None, clock: Callable[[], datetime]) -> None:
    """Migrate an SQLite file; on PostgreSQL, where the owner migrates, check that this program may run on it.

    Raises: DatabaseNotReadyError.
    """
    if engine.dialect.name == "sqlite":
        await migrate(engine, fill=fill, clock=clock)
    else:
        await MIGRATIONS.require(engine)


async def migrate(
    engine: AsyncEngine, *, fill: Fill | None, clock: Callable[[], datetime], grant_to: str | None = None
) -> Standing:
    """Migrate to head, create the tenant `default` with the data of `fill`, and grant a role what serving needs.

    Roles that serve already get what this version needs besides what they have. Nothing at all is changed in newer
    tables on which this program may run. Return how the tables stand now.

    Raises:
        DatabaseNotReadyError: the database cannot be opened or migrated, Python's SQLite lacks FTS5, or there is no
            such role.
    """

    def is_there(connection: Connection) -> bool:
        return tenants.exists(connection, DEFAULT)

    def make_default(connection: Connection) -> None:
        make_tenant(connection, DEFAULT, fill=fill, now=clock())

    if engine.dialect.name == "sqlite" and lacks_fts5():
        raise DatabaseNotReadyError(
            f"The search of tickets needs FTS5, and the SQLite of this Python ({sys.executable}) was built without it. "
            "Use another Python, for example from python.org or a Linux distribution, or PostgreSQL (MCP_DATABASE_URL)."
        )
    standing = await MIGRATIONS.apply(engine, is_filled=is_there, fill=make_default)
    if engine.dialect.name != "postgresql" or standing is Standing.NEWER:
        return standing
    async with engine.begin() as connection:
        await connection.run_sync(roles.lock_grants, MIGRATIONS.lock)
        await connection.run_sync(roles.grant_to_those_that_serve)
        if grant_to is not None:
            if not await connection.run_sync(roles.exists, grant_to):
                raise DatabaseNotReadyError(
                    f"The tables are ready, but nothing was granted: there is no role {grant_to!r} in this database "
                    "server. Create it, with LOGIN and nothing else, then run this command again."
                )
            await connection.run_sync(roles.grant, grant_to)
    return standing


async def refuse_what_policies_do_not_bind(engine: AsyncEngine) -> None:
    """Check that PostgreSQL's row-level security, which isolates tenants, is on and applies to this connection's role.

    Raises:
        DatabaseNotReadyError: it is off or does not apply.
    """
    if engine.dialect.name != "postgresql":
        return
    async with engine.begin() as connection:
        reasons = await connection.run_sync(roles.above_the_policies)
        tables = await connection.run_sync(roles.without_policies)
    if tables:
        raise DatabaseNotReadyError(
            f"Row-level security is switched off for {tables}, so only this program would keep tenants apart. As the "
            "owner, run ALTER TABLE … ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY for each."
        )
    if reasons:
        raise DatabaseNotReadyError(
            f"The role of the database URL is or can become {reasons}, and row-level security does not restrict it to "
            f"one tenant. Serve with a plain role that owns nothing, after `{command_line('ticket_api')} migrate "
            "--grant-to ROLE` with the URL of the tables' owner (docs/ticket-api.md)."
        )
