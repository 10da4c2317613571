"""Fixtures: imports into a database of each kind that has the English sample data."""

import argparse
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func

from shared.storage.database import resolve_url
from shared.storage.transactions import open_transactions
from tests.ticket_api.conftest import NOW
from ticket_api.administration.session import Session
from ticket_api.importing.command import import_tickets
from ticket_api.importing.command_line import add_parser
from ticket_api.store import tables
from ticket_api.store.connection import TenantConnection
from ticket_api.tenancy import DEFAULT, TenantDatabase


@dataclass(frozen=True)
class Listened(Session):
    """A session that keeps what it says."""

    said: list[str] = field(default_factory=list)

    def tell(self, sentence: str) -> None:
        """Keep a sentence."""
        self.said.append(sentence)

    def show(self, line: str) -> None:
        """Keep a line."""
        self.said.append(line)


@dataclass
class Importer:
    """Imports files, and knows what the command said and what the tickets are."""

    tenants: TenantDatabase
    folder: Path
    files: Iterator[int] = field(default_factory=count)
    said: list[str] = field(default_factory=list)

    async def run(self, data: bytes, *arguments: str, tenant: str = DEFAULT, now: datetime = NOW) -> int:
        """Import a file with this content, with these options; return the exit code."""
        path = self.folder / f"tickets-{next(self.files)}.csv"
        path.write_bytes(data)
        parser = argparse.ArgumentParser()
        add_parser(parser.add_subparsers())
        options = parser.parse_args(["tickets", "import", str(path), *arguments])
        session = Listened(self.tenants, tenant, lambda: now)
        self.said = session.said
        return await import_tickets(session, options)

    async def imported(self, tenant: str = DEFAULT) -> list[dict[str, Any]]:
        """Return the tickets of the file."""

        def read(db: TenantConnection) -> list[dict[str, Any]]:
            table = tables.tickets
            query = db.select(table).where(table.c.external_ticket_id.like("OLD-%")).order_by(table.c.number)
            return [dict(row) for row in db.execute(query).mappings()]

        return await self.tenants.read(tenant, read)

    async def count(self) -> int:
        """Return how many tickets of the file there are."""
        ids = tables.tickets.c.external_ticket_id
        number = await self.tenants.read(
            DEFAULT, lambda db: db.scalar(db.select(tables.tickets, func.count()).where(ids.like("OLD-%")))
        )
        return int(number)

    async def external_ids(self, tenant: str = DEFAULT) -> list[str]:
        """Return the external ids of the tickets of the file."""
        return [ticket["external_ticket_id"] for ticket in await self.imported(tenant)]


@asynccontextmanager
async def importer_of(url: str, folder: Path) -> AsyncIterator[Importer]:
    """Provide an importer into the database at `url`."""
    async with open_transactions(resolve_url(url)) as transactions:
        yield Importer(TenantDatabase(transactions, clock=lambda: datetime.now(UTC)), folder)


@pytest.fixture
async def importer(database_url: str, tmp_path: Path) -> AsyncIterator[Importer]:
    """An importer into each database."""
    async with importer_of(database_url, tmp_path) as importer:
        yield importer


@pytest.fixture
async def sqlite_importer(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Importer]:
    """An importer into SQLite, for tests that do not depend on the database."""
    async with importer_of(sqlite_url, tmp_path) as importer:
        yield importer
