"""Checks databases after a restore, SQLite or PostgreSQL: whether this version can serve from them, what they hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.store.migrate import MIGRATIONS as OF_IDENTITY
from auth.store.migrate import in_schema
from auth.store.peppers import Secrets
from auth.store.tables import api_keys, users
from auth.store.tables import tenants as organisations
from auth.store.upkeep.secret_fit import misfits
from recovery.files import explained, require_whole
from shared.storage.database import open_engine, resolve_url
from ticket_api.migrate import MIGRATIONS as OF_TICKETS
from ticket_api.migrate import refuse_what_policies_do_not_bind
from ticket_api.store import tables, tenants
from ticket_api.store.connection import TenantConnection


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a check found: counts in words, and what is wrong."""

    counts: tuple[str, ...]
    problems: tuple[str, ...] = ()


async def check_tickets(database_url: str) -> Inspection:
    """Check the ticket database as the role that serves.

    Raises:
        RecoveryError: an SQLite file is damaged.
        DatabaseNotReadyError: it is not at the version of this program, or row-level security does not bind the role.
    """
    url = resolve_url(database_url)
    _require_whole_file(url.get_backend_name(), url.database)
    async with open_engine(url) as engine:
        await OF_TICKETS.require(engine)
        await refuse_what_policies_do_not_bind(engine)
        async with engine.connect() as connection:
            return Inspection(tuple(await connection.run_sync(lambda there: list(_tickets_of_each(there)))))


def _tickets_of_each(connection: Connection) -> Iterator[str]:
    for row in tenants.every(connection):
        db = TenantConnection.open(connection, row["id"])
        count, newest = db.execute(db.select(tables.tickets, func.count(), func.max(tables.tickets.c.updated_at))).one()
        entries = db.scalar(db.select(tables.ticket_history, func.count()))
        until = f", the last change {newest:%Y-%m-%d %H:%M:%S} UTC" if newest else ""
        yield f"{row['id']}: {count:,} tickets with {entries:,} history entries{until}"


async def check_identity(database_url: str, secrets: Secrets, now: datetime) -> Inspection:
    """Check the identity store, and that `secrets` fit it. Raises: RecoveryError, DatabaseNotReadyError."""
    url = resolve_url(database_url)
    _require_whole_file(url.get_backend_name(), url.database)
    async with open_engine(url) as engine:
        await OF_IDENTITY.require(in_schema(engine))
        return Inspection((await _identities(engine),), tuple(await misfits(engine, secrets, now)))


async def _identities(engine: AsyncEngine) -> str:
    async with in_schema(engine).connect() as connection:
        counts = [await connection.scalar(select(func.count()).select_from(each)) for each in (organisations, users)]
        keys = await connection.scalar(select(func.count()).where(api_keys.c.revoked_at.is_(None)))
    return f"{counts[0]:,} organisations, {counts[1]:,} users, {keys:,} keys that are not revoked"


def _require_whole_file(backend: str, database: str | None) -> None:
    if backend == "sqlite":
        file = Path(str(database))
        with explained(file):
            require_whole(file)
