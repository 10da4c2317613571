"""Migrates a database to the newest schema and fills a new one, once, even if many processes start together.

Everything happens in one transaction under one lock: SQLite's write lock, or an advisory lock of PostgreSQL.
A database at head is only read, so the application may connect as a role that must not create tables. So is one that a
newer program migrated: an older program either may run on it as it is, or is refused (`shared.storage.fit_programs`).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.errors import TicketServerError
from shared.private_files import create_private, made_private
from shared.storage import fit_programs
from shared.storage.database import DatabaseFailedError, is_temporary, unusable_as
from shared.telemetry import get_logger

log = get_logger(__name__)

LOCK_WAIT_S: Final = 60
UPGRADING: Final = (
    "With 100,000 rows and more this can take minutes. Stopping it leaves the database as it was before, and the next "
    "start begins again."
)
NOT_ALLOWED: Final = "42501"  # PostgreSQL: insufficient_privilege
NO_ENTRY: Final = {"28000", "28P01", "3D000"}  # PostgreSQL: wrong role, wrong password, no such database
NO_DATABASE: Final = {"SQLITE_NOTADB", "SQLITE_CORRUPT"}
_IN_USE: Final = "Another program uses its file (MCP_DATABASE_URL) and did not let go of it in time; try again."
_CHECK: Final = "Check the database URL (MCP_DATABASE_URL), its user and password, and that the server is running."

Work = Callable[[Connection], None]
Question = Callable[[Connection], bool]


class Standing(Enum):
    """How the tables of a database stand to this program."""

    OLDER = auto()
    """It has to migrate them."""
    SAME = auto()
    NEWER = auto()
    """It must leave them as they are, and may run on them."""

    def sentence(self, what: str) -> str:
        """Return what to tell who asked to migrate."""
        if self is Standing.NEWER:
            return f"The {what} is of a newer version, on which this one may run. Nothing was changed or granted."
        return f"The {what} is up to date."


class DatabaseNotReadyError(TicketServerError):
    """The database cannot be used in its present state, and this process cannot fix it; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    """The migrations of one part of this program."""

    folder: Path
    """Alembic's folder of revisions."""
    lock: int
    """Key of PostgreSQL's advisory lock; any number that no other program uses."""
    what: str
    """Name of this database for readers, for example `ticket database`."""
    make_ready: str
    """Sentences on what an operator must do if the role may not change tables."""
    schema: str | None = None
    """PostgreSQL schema of Alembic's own table; None for the default schema."""

    async def apply(
        self, engine: AsyncEngine, *, is_filled: Question | None = None, fill: Work | None = None
    ) -> Standing:
        """Migrate to head, then call `fill` unless `is_filled`; return how the tables stand now.

        Newer tables on which this program may run are not touched.

        Raises:
            DatabaseNotReadyError: the database cannot be opened, or its tables are newer and this program may not run
                on them, or they are older and the role may not change them.
        """
        with self._explained(engine):
            if engine.dialect.name == "sqlite":
                _make_folder_of(Path(str(engine.url.database)))
                _keep_private(Path(str(engine.url.database)))
            standing, is_ready = await self._look_at(engine, is_filled)
            return standing if is_ready else await self._make_ready(engine, is_filled, fill)

    async def require(self, engine: AsyncEngine) -> None:
        """Check that this program may run on the tables, changing nothing. Raises: DatabaseNotReadyError."""
        with self._explained(engine):
            if (await self._look_at(engine, None))[0] is Standing.OLDER:
                raise DatabaseNotReadyError(f"The {self.what} is not ready for this version. {self.make_ready}")

    @contextmanager
    def _explained(self, engine: AsyncEngine) -> Iterator[None]:
        """Translate database errors into DatabaseNotReadyError with a sentence for the operator."""
        is_file = engine.dialect.name == "sqlite"
        try:
            yield
        except (DBAPIError, OSError) as error:
            state = getattr(getattr(error, "orig", None), "sqlstate", None)
            if state == NOT_ALLOWED:
                raise DatabaseNotReadyError(
                    f"The {self.what} is not ready for this version, and the role of the database URL lacks the "
                    f"privileges to migrate it. {self.make_ready}"
                ) from error
            if getattr(getattr(error, "orig", None), "sqlite_errorname", None) in NO_DATABASE:
                raise DatabaseNotReadyError(
                    f"The {self.what} is damaged, or the file in the database URL (MCP_DATABASE_URL) is not an SQLite "
                    "database. Nothing was changed; set another file, or restore a backup."
                ) from error
            unusable = DatabaseFailedError if is_file and isinstance(error, OSError) else unusable_as(error)
            if unusable is not None:
                raise DatabaseNotReadyError(f"The {self.what} cannot be made ready. {unusable.sentence}") from error
            if state in NO_ENTRY or is_temporary(error):
                raise DatabaseNotReadyError(
                    f"The {self.what} cannot be opened. {_IN_USE if is_file else _CHECK}"
                ) from error
            raise

    async def _look_at(self, engine: AsyncEngine, is_filled: Question | None) -> tuple[Standing, bool]:
        """Return how the tables stand, and whether there is nothing to do; takes no lock and writes nothing."""
        async with engine.connect() as connection, connection.begin():
            standing = await connection.run_sync(self._standing)
            if standing is Standing.SAME and is_filled is not None:
                return standing, await connection.run_sync(is_filled)
            return standing, standing is not Standing.OLDER

    async def _make_ready(self, engine: AsyncEngine, is_filled: Question | None, fill: Work | None) -> Standing:
        if engine.dialect.name == "sqlite":
            await _turn_on_wal(engine)
        async with engine.connect() as connection:
            await connection.execution_options(sqlite_begin="BEGIN IMMEDIATE")
            async with connection.begin():
                await self._take_lock(connection)
                standing = await connection.run_sync(self._upgrade)
                if standing is Standing.NEWER:
                    return standing
                if fill is not None and not (is_filled is not None and await connection.run_sync(is_filled)):
                    await connection.run_sync(fill)
                await connection.run_sync(self._analyse)
                return standing

    async def _take_lock(self, connection: AsyncConnection) -> None:
        if connection.dialect.name == "postgresql":
            for name in ("lock_timeout", "statement_timeout"):  # both would cut short the wait for a slow first start
                await connection.execute(text("SELECT set_config(:name, :value, true)"),
                                         {"name": name, "value": f"{LOCK_WAIT_S}s"})  # fmt: skip
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": self.lock})

    def _standing(self, connection: Connection) -> Standing:
        schema = self._schema_on(connection)
        if not inspect(connection).has_table("alembic_version", schema=schema):
            return Standing.OLDER
        table = f"{schema}.alembic_version" if schema else "alembic_version"
        current = connection.scalar(text(f"SELECT version_num FROM {table}"))  # noqa: S608 - the name is a constant
        script = ScriptDirectory.from_config(self._config())
        head = str(script.get_current_head())
        if current is None or current in {revision.revision for revision in script.walk_revisions()}:
            return Standing.SAME if current == head else Standing.OLDER
        if not fit_programs.may_run(connection, schema, program=head, tables=current):
            raise DatabaseNotReadyError(
                f"The {self.what} was made by a newer version of this program, and does not say that this version may "
                "run on it. Update the program, or use another database."
            )
        log.warning("database_newer", hint=f"The {self.what} is of a newer version ({current}) and says that this one "
                                           f"({head}) may run on it. Nothing is migrated.")  # fmt: skip
        return Standing.NEWER

    def _schema_on(self, connection: Connection) -> str | None:
        return self.schema if connection.dialect.name == "postgresql" else None

    def _upgrade(self, connection: Connection) -> Standing:
        standing = self._standing(connection)
        if standing is not Standing.OLDER:  # another process migrated while this one waited for the lock
            return standing
        if inspect(connection).has_table("alembic_version", schema=self._schema_on(connection)):
            log.warning("database_upgrade", hint=f"The {self.what} is being upgraded. {UPGRADING}")
        config = self._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        fit = fit_programs.fit_revisions(ScriptDirectory.from_config(config))
        fit_programs.write(connection, self._schema_on(connection), fit)
        return Standing.SAME

    def _analyse(self, connection: Connection) -> None:
        """Update the planner's statistics; PostgreSQL itself never analyses tables with fewer than 50 rows."""
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("ANALYZE")
            return
        names = inspect(connection).get_table_names(schema=self.schema)
        quote = connection.dialect.identifier_preparer.quote
        schema = f"{quote(self.schema)}." if self.schema else ""
        connection.exec_driver_sql(f"ANALYZE {', '.join(f'{schema}{quote(name)}' for name in names)}")

    def _config(self) -> Config:
        config = Config()
        config.set_main_option("script_location", str(self.folder).replace("%", "%%"))  # the parser interpolates
        return config


def _keep_private(database: Path) -> None:
    """Create the file for its owner only, and take away the rights of others; SQLite gives -wal and -shm the same."""
    create_private(database)
    for suffix in ("", "-wal", "-shm"):
        if exposed := made_private(Path(f"{database}{suffix}")):
            log.warning("file_exposed", hint=exposed)


def _make_folder_of(file: Path) -> None:
    """Make the folder of an SQLite file that can be opened or made there; aiosqlite leaves a thread where it cannot.

    A file that is there is not opened: closing it would end the locks that SQLite holds for this process's connections,
    and another process would take the log of writes away from under them.
    Source: SQLite, "How To Corrupt An SQLite Database File", 2.2.

    Raises:
        OSError: it cannot.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists():
        if not (file.is_file() and os.access(file, os.R_OK)):
            raise PermissionError(file)
    elif not os.access(file.parent, os.W_OK | os.X_OK):
        raise PermissionError(file.parent)


async def _turn_on_wal(engine: AsyncEngine) -> None:
    """Switch the file to WAL permanently; this is not possible inside a transaction."""
    async with engine.connect() as connection:
        await connection.execution_options(sqlite_begin=None)
        await connection.exec_driver_sql("PRAGMA journal_mode = WAL")
