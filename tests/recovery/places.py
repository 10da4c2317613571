"""The two kinds of deployment that a drill loses and restores: SQLite files, and a PostgreSQL database."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

import asyncpg
import pytest

from auth.store.migrate import grant, prepare
from recovery.__main__ import main as recovery
from shared.storage.database import open_engine, resolve_url
from shared.time_zones import utc_now
from tests.databases import Postgres, PostgresDatabase, dsn
from tests.recovery.desk import SECRET
from tests.recovery.postgres_tools import dump, restore
from ticket_api.migrate import migrate
from ticket_api.sample import filler

NOT_FOR_SERVING: Final = (
    "DELETE FROM tickets",
    "UPDATE ticket_history SET comment = ''",
    "SELECT pieces FROM ticket_pieces",
    "ALTER TABLE tickets DISABLE ROW LEVEL SECURITY",
    "CREATE TABLE identity.more (id integer)",
)


class Place(Protocol):
    """Where a deployment stores its data, and its means of backup."""

    @property
    def tickets_url(self) -> str:
        """Of the ticket database, as the role that serves."""

    @property
    def identity_url(self) -> str:
        """Of the identity store, likewise."""

    async def make(self) -> None:
        """Make both databases, with sample tickets."""

    async def back_up(self) -> None:
        """Make a backup, while servers run."""

    async def lose(self) -> None:
        """Lose everything but the backup."""

    async def restore(self) -> None:
        """Restore the backup, so that servers may start."""

    async def refuse_what_the_serving_role_may_not(self) -> list[str]:
        """Try what the role that serves must not do; return what was not refused."""


class SqlitePlace:
    """Files of one machine, and the commands `backup` and `restore`."""

    def __init__(self, folder: Path) -> None:
        self.tickets_url = f"sqlite:///{(folder / 'tickets.sqlite3').as_posix()}"
        self.identity_url = f"sqlite:///{(folder / 'tickets-identity.sqlite3').as_posix()}"
        self._folder = folder

    async def make(self) -> None:
        """Make both databases, with sample tickets."""
        await make_tables(self.tickets_url, self.identity_url)

    async def back_up(self) -> None:
        """Run `backup`."""
        await self._run("backup")

    async def lose(self) -> None:
        """Delete the files."""
        for file in self._folder.glob("*.sqlite3*"):
            file.unlink()

    async def restore(self) -> None:
        """Run `restore`."""
        (made,) = (self._folder / "backups").iterdir()
        await self._run("restore", str(made))

    async def refuse_what_the_serving_role_may_not(self) -> list[str]:
        """SQLite has no roles."""
        return []

    async def _run(self, *words: str) -> None:
        def run() -> int:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sys, "argv", ["recovery", *words])
                patch.setenv("MCP_DATABASE_URL", self.tickets_url)
                patch.setenv("MCP_IDENTITY_KEYS", SECRET)
                return recovery()

        assert await asyncio.to_thread(run) == 0


@dataclass
class PostgresPlace:
    """A PostgreSQL database, and a dump of it."""

    server: Postgres
    database: PostgresDatabase
    dumped: Path

    @classmethod
    @asynccontextmanager
    async def on(cls, server: Postgres, folder: Path) -> AsyncIterator[Self]:
        """Provide an empty database."""
        place = cls(server, await server.create(may_use_tables=False), folder / "tickets.dump")
        yield place
        await server.drop(place.database)

    @property
    def tickets_url(self) -> str:
        """Of the role that serves."""
        return self.database.application_url

    @property
    def identity_url(self) -> str:
        """The same database, another schema."""
        return self.database.application_url

    async def make(self) -> None:
        """Make both databases, with sample tickets."""
        await make_tables(self.database.owner_url, self.database.owner_url, grant_to=self.database.application)

    async def back_up(self) -> None:
        """Dump the database as a superuser: a role that is bound by row-level security cannot."""
        await asyncio.to_thread(dump, self._as_administrator(self.database), self.dumped)

    async def lose(self) -> None:
        """Drop the database."""
        await self.server.drop(self.database)

    async def restore(self) -> None:
        """Restore the dump into a new database, upgrade it as its owner, and grant the role that serves its rights."""
        self.database = await self.server.create(may_use_tables=False)
        await asyncio.to_thread(restore, self.dumped, self._as_administrator(self.database), owner=self.server.owner)
        await self.make()

    async def refuse_what_the_serving_role_may_not(self) -> list[str]:
        """See rows without naming a tenant, delete tickets, read pieces of the search, change tables."""
        connection = await asyncpg.connect(self.tickets_url)
        try:
            seen = await connection.fetchval("SELECT count(*) FROM tickets")
            allowed = [f"saw {seen} tickets without naming a tenant"] if seen else []
            for statement in NOT_FOR_SERVING:
                try:
                    await connection.execute(statement)
                except asyncpg.InsufficientPrivilegeError:
                    continue
                allowed.append(statement)
            return allowed
        finally:
            await connection.close()

    def _as_administrator(self, database: PostgresDatabase) -> str:
        return dsn(self.server.admin.set(database=database.name))


async def make_tables(tickets_url: str, identity_url: str, grant_to: str | None = None) -> None:
    """Do what `migrate --grant-to` of both programs does."""
    async with open_engine(resolve_url(tickets_url)) as engine:
        await migrate(engine, fill=filler("en", utc_now), clock=utc_now, grant_to=grant_to)
    async with open_engine(resolve_url(identity_url)) as engine:
        await prepare(engine)
        if grant_to is not None:
            await grant(engine, grant_to)
