"""Brings the identity store to the newest tables."""

from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from auth.tables import SCHEMA
from shared.migrations import Migrations

MIGRATIONS: Final = Migrations(
    folder=Path(__file__).with_name("migrations"),
    lock=7_402_118_534,
    what="identity store",
    make_ready="Run `python -m auth migrate` once with the URL of the owner, and grant this role USAGE on the schema "
    f"{SCHEMA} and SELECT, INSERT, UPDATE and DELETE on its tables.",
    schema=SCHEMA,
)


def in_schema(engine: AsyncEngine) -> AsyncEngine:
    """Return `engine` as one whose tables are in the store's own schema, where the database has schemas."""
    if engine.dialect.name != "postgresql":
        return engine
    return engine.execution_options(schema_translate_map={None: SCHEMA})


async def prepare(engine: AsyncEngine) -> None:
    """Migrate to head. Raises: DatabaseNotReadyError."""
    await MIGRATIONS.run(in_schema(engine))
