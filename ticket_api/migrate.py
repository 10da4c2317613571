"""Brings the ticket database to the newest tables, and fills a new one."""

from pathlib import Path
from typing import Final

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.migrations import Migrations, Work
from ticket_api.tables import users

MIGRATIONS: Final = Migrations(
    folder=Path(__file__).with_name("migrations"),
    lock=7_402_118_533,
    what="ticket database",
    make_ready="Run `python -m ticket_api migrate` once with the URL of the owner, and grant this role the rights that "
    "docs/ticket-api.md lists.",
)


async def prepare(engine: AsyncEngine, fill: Work | None) -> None:
    """Migrate to head, then let `fill` write into a database that holds no users yet. Raises: DatabaseNotReadyError."""
    await MIGRATIONS.run(engine, is_filled=None if fill is None else _has_users, fill=fill)


async def _has_users(connection: AsyncConnection) -> bool:
    return bool(await connection.scalar(select(exists().select_from(users))))
