"""Migrates the identity store to head."""

from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.store.tables import SCHEMA
from shared.command_lines import command_line
from shared.errors import InvalidInputError
from shared.storage.migrations import Migrations, Standing

MIGRATIONS: Final = Migrations(
    folder=Path(__file__).with_name("migrations"),
    lock=7_402_118_534,
    what="identity store",
    make_ready=f"Run `{command_line('auth')} migrate --grant-to ROLE` once, with the owner's URL and the name of this "
    "role.",
    schema=SCHEMA,
)


def in_schema(engine: AsyncEngine) -> AsyncEngine:
    """Return `engine` bound to the store's own schema, if the database has schemas."""
    if engine.dialect.name != "postgresql":
        return engine
    return engine.execution_options(schema_translate_map={None: SCHEMA})


async def prepare(engine: AsyncEngine) -> Standing:
    """Migrate to head, unless the tables are newer and this program may run on them; return how they stand now.

    Raises: DatabaseNotReadyError.
    """
    return await MIGRATIONS.apply(in_schema(engine))


async def grant(engine: AsyncEngine, role: str) -> None:
    """Grant a plain PostgreSQL role access to the tables that the role of `engine` owns; do nothing on SQLite.

    Raises:
        InvalidInputError: there is no such role.
    """
    if engine.dialect.name != "postgresql":
        return
    name = engine.dialect.identifier_preparer.quote(role)
    async with engine.begin() as connection:
        if not await connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}):
            raise InvalidInputError(f"There is no role {role!r} in this database server.", field="role")
        await connection.execute(text(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {name}"))
        await connection.execute(
            text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {name}")
        )
