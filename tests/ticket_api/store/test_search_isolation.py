"""The index of one tenant's words gives nothing to another tenant, and its pieces are not readable at all."""

from typing import Any, Final

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from shared.storage.migrations import DatabaseNotReadyError
from tests.databases import Postgres, PostgresDatabase
from tests.ticket_api.conftest import NOW, make, new_ticket
from tests.ticket_api.store.searching import found, run
from ticket_api import create_app, writes
from ticket_api.http.models.requests import NewTicket
from ticket_api.sample import filler
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search import find
from ticket_api.store.search.postgres import PostgresPieces, hashed

OTHER: Final = "other"
THEIRS: Final = "quetzal"


def fill_other(db: TenantConnection) -> None:
    fill = filler("en", lambda: NOW)
    assert fill is not None
    fill(db)
    writes.create(db, NewTicket.model_validate(new_ticket(summary=f"A {THEIRS}")), NOW)


@pytest.fixture
async def two_tenants(database_url: str) -> str:
    """A database in which two tenants have the same tickets, and the other one has one more."""
    await run(database_url, fill_other, OTHER)
    return database_url


async def test_no_tenant_finds_tickets_of_another(two_tenants: str) -> None:
    def see(db: TenantConnection) -> list[Any]:
        match = find(db, THEIRS)
        return [match.numbers, found(db, THEIRS), len(found(db, "tck")), found(db, phrase=THEIRS)]

    assert await run(two_tenants, see) == [(), set(), 50, set()]
    assert await run(two_tenants, see, OTHER) == [(51,), {51}, 51, {51}]
    assert await run(two_tenants, see, "third") == [(), set(), 0, set()]


async def test_a_write_of_one_tenant_leaves_the_index_of_the_other(two_tenants: str) -> None:
    def write(db: TenantConnection) -> None:
        writes.create(db, NewTicket.model_validate(new_ticket(summary="Okapi")), NOW)  # TCK-0051, as the other has

    await run(two_tenants, write)

    assert await run(two_tenants, lambda db: found(db, "okapi")) == {51}
    assert await run(two_tenants, lambda db: found(db, "okapi"), OTHER) == set()
    assert await run(two_tenants, lambda db: found(db, THEIRS), OTHER) == {51}


async def rows(url: str, tenant: str | None, statement: str, *values: object) -> list[Any]:
    """Return what the role of `url` reads as that tenant, or without one."""
    connection = await asyncpg.connect(url)
    try:
        if tenant is not None:
            await connection.execute("SELECT set_config('app.tenant_id', $1, false)", tenant)
        return [tuple(row) for row in await connection.fetch(statement, *values)]
    finally:
        await connection.close()


async def test_the_pieces_of_another_tenant_give_nothing_in_postgresql(filled_postgres: PostgresDatabase) -> None:
    url = filled_postgres.application_url
    await run(url, fill_other, OTHER)
    pieces = hashed(OTHER, {"que", "tza", "q"})
    asked = "SELECT ticket_candidates($1, 10)"

    assert await rows(url, OTHER, asked, pieces) == [([51],)]
    for tenant in ("default", "unknown", "", None):
        assert await rows(url, tenant, asked, pieces) == [([],)]
    for tenant in ("unknown", "", None):
        assert await rows(url, tenant, asked, []) == [([],)]
        assert await rows(url, tenant, "SELECT count(*) FROM ticket_pieces") == [(0,)]
    assert await rows(url, "default", "SELECT count(*) FROM ticket_pieces") == [(50,)]


@pytest.mark.parametrize("statement", [
    "SELECT pieces FROM ticket_pieces",
    "SELECT number FROM ticket_pieces WHERE pieces @> ARRAY[1]",
    "SELECT * FROM ticket_pieces",
    "SELECT t FROM ticket_pieces t",
    "UPDATE ticket_pieces SET pieces = '{}'",
    "DELETE FROM ticket_pieces RETURNING pieces",
    "INSERT INTO ticket_pieces SELECT 'default', 1, '{}' ON CONFLICT (tenant_id, number) DO UPDATE SET pieces = '{}'",
    "TRUNCATE ticket_pieces",
], ids=["read", "condition", "all", "row", "update", "returning", "conflict", "truncate"])  # fmt: skip
async def test_the_role_that_serves_reads_no_pieces(filled_postgres: PostgresDatabase, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        await run(filled_postgres.application_url, lambda db: db.execute(text(statement)))


async def test_default_privileges_do_not_show_the_pieces(empty_postgres: PostgresDatabase) -> None:
    await make(empty_postgres.owner_url)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await rows(empty_postgres.application_url, "default", "SELECT pieces FROM ticket_pieces")
    assert await run(empty_postgres.application_url, lambda db: len(found(db, "tck"))) == 50


async def test_who_has_no_rights_on_tickets_has_none_on_their_pieces(
    postgres: Postgres, filled_postgres: PostgresDatabase
) -> None:
    role = f"stranger_{filled_postgres.name[5:13]}"
    execute = f"SELECT has_function_privilege('{role}', 'ticket_candidates(integer[], integer)', 'EXECUTE')"
    await postgres.execute(f'CREATE ROLE "{role}"')
    try:
        assert await rows(filled_postgres.owner_url, None, execute) == [(False,)]
    finally:
        await postgres.execute(f'DROP ROLE "{role}"')


async def test_no_one_serves_while_the_pieces_have_no_row_level_security(
    postgres: Postgres, filled_postgres: PostgresDatabase
) -> None:
    await postgres.execute("ALTER TABLE ticket_pieces DISABLE ROW LEVEL SECURITY", database=filled_postgres.name)
    app = create_app(database_url=filled_postgres.application_url)

    with pytest.raises(DatabaseNotReadyError, match="switched off for ticket_pieces,"):
        async with app.router.lifespan_context(app):
            pass


async def test_equal_hashes_of_two_words_make_candidates_and_no_hits(
    filled_postgres: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticket_api.store.search.postgres.crc32", lambda *_: 7)

    def see(db: TenantConnection) -> tuple[int, set[int]]:
        writes.create(db, NewTicket.model_validate(new_ticket(summary="Okapi")), NOW)
        return len(PostgresPieces().candidates(db, ("zebra",), 10)), found(db, "zebra")

    assert await run(filled_postgres.application_url, see) == (1, set())
