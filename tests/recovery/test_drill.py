"""The restore drill on both databases, and the traps of a dump with row-level security."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from recovery.check import check_tickets
from shared.storage.migrations import DatabaseNotReadyError
from tests.databases import Postgres
from tests.recovery.drill import run_drill
from tests.recovery.places import PostgresPlace, SqlitePlace
from tests.recovery.postgres_tools import DumpError, dump


async def test_everything_comes_back_on_sqlite_but_what_was_written_after_the_backup(tmp_path: Path) -> None:
    report = await run_drill(SqlitePlace(tmp_path))

    assert report.problems == ()
    assert "Away for" in str(report)


async def test_everything_comes_back_on_postgresql_with_the_rights_of_the_roles(
    postgres: Postgres, tmp_path: Path
) -> None:
    async with PostgresPlace.on(postgres, tmp_path) as place:
        report = await run_drill(place)

    assert report.problems == ()
    assert report.lost


async def test_a_drill_notices_what_is_missing(tmp_path: Path) -> None:
    class Forgetful(SqlitePlace):
        async def restore(self) -> None:
            await super().restore()
            with closing(sqlite3.connect(tmp_path / "tickets.sqlite3")) as connection:
                connection.execute("UPDATE tickets SET remarks = 'other' WHERE number = 3")
                connection.commit()

    report = await run_drill(Forgetful(tmp_path))

    assert "ticket TCK-0003 is not as it was" in report.problems


async def test_a_dump_by_a_role_that_sees_one_tenant_fails_instead_of_being_empty(
    postgres: Postgres, tmp_path: Path
) -> None:
    """PostgreSQL 18, pg_dump: it sets `row_security` to off, so a query that a policy would filter is an error."""
    async with PostgresPlace.on(postgres, tmp_path) as place:
        await place.make()
        with pytest.raises(DumpError, match="row-level security"):
            dump(place.database.owner_url, tmp_path / "owner.dump")


async def test_a_restore_without_row_level_security_is_not_served(postgres: Postgres, tmp_path: Path) -> None:
    async with PostgresPlace.on(postgres, tmp_path) as place:
        await place.make()
        await postgres.execute("ALTER TABLE tickets DISABLE ROW LEVEL SECURITY", database=place.database.name)
        with pytest.raises(DatabaseNotReadyError, match="Row-level security is switched off for tickets"):
            await check_tickets(place.tickets_url)
