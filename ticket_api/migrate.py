"""Brings a database to the newest tables and fills a new one, once, however many processes start together.

Everything happens in one transaction under one lock: SQLite's write lock, or an advisory lock of PostgreSQL.
A database at head is only read, so the application may connect as a role that must not create tables.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, exists, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ticket_api.database import is_temporary
from ticket_api.tables import users

MIGRATIONS: Final = Path(__file__).with_name("migrations")
LOCK: Final = 7_402_118_533  # any number, as long as nobody else takes advisory locks by it
LOCK_WAIT_S: Final = 60
NOT_ALLOWED: Final = "42501"  # PostgreSQL: insufficient_privilege
NO_ENTRY: Final = {"28000", "28P01", "3D000"}  # PostgreSQL: wrong role, wrong password, no such database

Fill = Callable[[AsyncConnection], Awaitable[None]]


class DatabaseNotReadyError(RuntimeError):
    """The database cannot be used as it is, and this process cannot mend it; the text says what to do."""


async def prepare(engine: AsyncEngine, fill: Fill | None) -> None:
    """Migrate to head, then let `fill` write into a database that holds no users yet.

    Raises:
        DatabaseNotReadyError: the database cannot be opened, or its tables are newer than this program, or they are
            older and the role may not change them.
    """
    try:
        if engine.dialect.name == "sqlite":
            Path(str(engine.url.database)).parent.mkdir(parents=True, exist_ok=True)
        if not await _is_ready(engine, fill):
            await _make_ready(engine, fill)
    except (DBAPIError, OSError) as error:
        state = getattr(getattr(error, "orig", None), "sqlstate", None)
        if state == NOT_ALLOWED:
            raise DatabaseNotReadyError(
                "The ticket database is not ready for this version, and the role of the database URL lacks the rights "
                "to make it so. Run `python -m ticket_api migrate` once with the URL of the owner, and grant this role "
                "the rights that docs/ticket-api.md lists."
            ) from error
        if state in NO_ENTRY or is_temporary(error):
            raise DatabaseNotReadyError(
                "The ticket database cannot be opened. Check the database URL (MCP_DATABASE_URL), its user and "
                "password, and that the server is running."
            ) from error
        raise


async def _make_ready(engine: AsyncEngine, fill: Fill | None) -> None:
    if engine.dialect.name == "sqlite":
        await _turn_on_wal(engine)
    async with engine.connect() as connection:
        await connection.execution_options(sqlite_begin="BEGIN IMMEDIATE")
        async with connection.begin():
            await _lock(connection)
            await connection.run_sync(_upgrade)
            if fill is not None and not await _has_users(connection):
                await fill(connection)


async def _is_ready(engine: AsyncEngine, fill: Fill | None) -> bool:
    """Tell whether there is nothing to do, without a lock and without writing."""
    async with engine.connect() as connection, connection.begin():
        if not await connection.run_sync(_is_at_head):
            return False
        return fill is None or await _has_users(connection)


def _is_at_head(connection: Connection) -> bool:
    if not inspect(connection).has_table("alembic_version"):
        return False
    current = connection.scalar(text("SELECT version_num FROM alembic_version"))
    script = ScriptDirectory.from_config(_config())
    known = {revision.revision for revision in script.walk_revisions()}
    if current is not None and current not in known:
        raise DatabaseNotReadyError(
            "The ticket database was made by a newer version of this program. Update the program, or use another one."
        )
    return bool(current == script.get_current_head())


def _upgrade(connection: Connection) -> None:
    if _is_at_head(connection):  # another process was faster while this one waited for the lock
        return
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))  # the parser interpolates
    return config


async def _lock(connection: AsyncConnection) -> None:
    if connection.dialect.name == "postgresql":
        for name in ("lock_timeout", "statement_timeout"):  # both would end the wait for a slow first start
            await connection.execute(text("SELECT set_config(:name, :value, true)"),
                                     {"name": name, "value": f"{LOCK_WAIT_S}s"})  # fmt: skip
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


async def _turn_on_wal(engine: AsyncEngine) -> None:
    """Change the file's mode for good; it cannot be done inside a transaction."""
    async with engine.connect() as connection:
        await connection.execution_options(sqlite_begin=None)
        await connection.exec_driver_sql("PRAGMA journal_mode = WAL")


async def _has_users(connection: AsyncConnection) -> bool:
    return bool(await connection.scalar(select(exists().select_from(users))))
