"""PostgreSQL's second line of defence: policies that limit each statement to one tenant, and who may serve."""

from collections.abc import AsyncIterator, Iterator
from typing import Final

import asyncpg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from shared.storage.database import Database, open_engine, resolve_url
from shared.storage.migrations import DatabaseNotReadyError
from shared.storage.transactions import open_transactions
from tests.databases import PASSWORD, Postgres, PostgresDatabase, dsn, run_aside
from tests.kills import kills
from tests.ticket_api.conftest import NOW, client_of, make
from ticket_api import commands, create_app
from ticket_api.store import idempotency
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search import note_rename
from ticket_api.store.tables import metadata
from ticket_api.tenancy import make_tenant

OF_TENANTS: Final = sorted(name for name in metadata.tables if name not in {"tenants", "erased_tenants"})


@pytest.fixture(scope="module")
def postgres_database(postgres: Postgres, postgres_template: PostgresDatabase) -> Iterator[PostgresDatabase]:
    """A filled database with a second tenant; no test here changes data that another one reads."""
    made = run_aside(postgres.create(template=postgres_template.name))
    run_aside(add_other(made.application_url))
    yield made
    run_aside(postgres.drop(made))


@pytest.fixture
async def database(postgres_database: PostgresDatabase) -> AsyncIterator[Database]:
    """The same database, opened as the application role."""
    async with open_engine(resolve_url(postgres_database.application_url)) as engine:
        yield Database(engine)


async def add_other(url: str) -> None:
    async with open_transactions(resolve_url(url)) as transactions:
        await transactions.write(lambda connection: make_tenant(connection, "other", fill=None, now=NOW))


async def rows(url: str, tenant: str | None) -> dict[str, int]:
    """Return how many rows of each table are visible to a connection that names `tenant`, or no tenant."""
    connection = await asyncpg.connect(url)
    try:
        if tenant is not None:
            await connection.execute("SELECT set_config('app.tenant_id', $1, false)", tenant)
        return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in OF_TENANTS}  # noqa: S608 - our names
    finally:
        await connection.close()


@kills("ticket_api/migrations/versions/0002_tenants.py", "FORCE ROW", "NO FORCE ROW")
async def test_every_table_has_a_tenant_and_shows_nothing_to_who_names_none(
    postgres_database: PostgresDatabase,
) -> None:
    assert all("tenant_id" in metadata.tables[table].primary_key.columns for table in OF_TENANTS)
    async with open_transactions(resolve_url(postgres_database.application_url)) as transactions:
        await commands.add_key(transactions, "default", now=NOW)
        await transactions.write(
            lambda connection: idempotency.claim(TenantConnection.open(connection, "default"), "k", "f", NOW)
        )
        await transactions.write(
            lambda connection: note_rename(TenantConnection.open(connection, "default"), "users", "user1")
        )

    for url in (postgres_database.application_url, postgres_database.owner_url):  # FORCE: the owner is restricted too
        assert min((await rows(url, "default")).values()) > 0
        assert set((await rows(url, None)).values()) == set((await rows(url, "unknown")).values()) == {0}


@kills("ticket_api/store/connection.py", "set_config($1, $2, true)", "set_config($1, $2, false)")
async def test_a_tenant_is_named_to_one_transaction_only(postgres_database: PostgresDatabase) -> None:
    app = create_app(database_url=postgres_database.application_url)
    async with app.router.lifespan_context(app), client_of(app) as api:
        assert len((await api.get("/tickets?limit=200&showCompleted=true")).json()) == 50

        def next_one(connection: Connection) -> tuple[object, object]:
            named = connection.scalar(text("SELECT current_setting('app.tenant_id', true)"))
            return named, connection.scalar(text("SELECT count(*) FROM tickets"))

        assert await app.state.tenants.transactions.read(next_one) == ("", 0)  # the same pooled connection


@kills("ticket_api/migrations/versions/0002_tenants.py", "WITH CHECK ({mine})", "WITH CHECK (true)")
@pytest.mark.parametrize("statement", [
    "INSERT INTO users VALUES ('other', 'user99', 'N', 'n', 'n@example.com', 'support')",
    "UPDATE tickets SET tenant_id = 'other' WHERE id = 'TCK-0001'",
])  # fmt: skip
async def test_no_row_can_be_written_for_another_tenant(database: Database, statement: str) -> None:
    async with database.writing() as connection:
        await connection.run_sync(TenantConnection.open, "default")
        with pytest.raises(ProgrammingError, match="row-level security"):
            await connection.execute(text(statement))


async def test_no_reference_leads_into_another_tenant(database_url: str) -> None:
    await add_other(database_url)
    detail = {"id": "catd1", "name": "x", "order_no": 1, "category_id": "cat1"}  # an id that `default` has

    def insert(connection: Connection) -> None:
        db = TenantConnection.open(connection, "other")
        db.execute(db.insert(metadata.tables["category_details"]).values(detail))

    async with open_transactions(resolve_url(database_url)) as transactions:
        with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
            await transactions.write(insert)


@kills("ticket_api/store/roles.py", '"SELECT, INSERT"', '"SELECT, INSERT, UPDATE, DELETE"')
async def test_what_serves_may_neither_rewrite_history_nor_delete_tickets(database: Database) -> None:
    for statement in ("DELETE FROM tickets", "UPDATE ticket_history SET comment = ''", "DELETE FROM ticket_history",
                      "DELETE FROM api_keys", "UPDATE tenants SET name = ''"):  # fmt: skip
        async with database.writing() as connection:
            with pytest.raises(ProgrammingError, match="permission denied"):
                await connection.execute(text(statement))


ABOVE: Final = {
    "a superuser": ('ALTER ROLE "{role}" SUPERUSER', "the superuser"),
    "a role that may bypass policies": ('ALTER ROLE "{role}" BYPASSRLS', "which may bypass it"),
    "the owner of one table": ('ALTER TABLE users OWNER TO "{role}"', "the owner of tables"),
    "a member of the owner": ('GRANT "{owner}" TO "{role}"', "the owner of tables"),
    "a member of a role that may bypass policies": (
        'CREATE ROLE "above_{role}" BYPASSRLS; GRANT "above_{role}" TO "{role}"',
        "which may bypass it",
    ),
}


@kills("ticket_api/store/roles.py", "r.rolbypassrls OR r.oid", "r.oid")
@pytest.mark.parametrize("kind", ABOVE)
async def test_a_role_above_the_policies_may_not_serve(
    kind: str, postgres: Postgres, postgres_database: PostgresDatabase
) -> None:
    role = f"above_{postgres_database.name[5:13]}"
    url = dsn(postgres.admin.set(username=role, password=PASSWORD, database=postgres_database.name))
    rights = f'GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO "{role}"'
    create = f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{PASSWORD}'"
    try:
        await postgres.execute(create, rights, database=postgres_database.name)
        await start(url)  # as a plain role

        lift, says = ABOVE[kind]
        await postgres.execute(lift.format(role=role, owner=postgres.owner), database=postgres_database.name)
        with pytest.raises(DatabaseNotReadyError, match=says) as refused:
            await start(url)
    finally:
        own = f'REASSIGN OWNED BY "{role}" TO "{postgres.owner}"'
        await postgres.execute(own, f'DROP OWNED BY "{role}"', f'DROP ROLE "{role}"', database=postgres_database.name)
        await postgres.execute(f'DROP ROLE IF EXISTS "above_{role}"')

    assert "python -m ticket_api migrate --grant-to ROLE" in str(refused.value)
    assert PASSWORD not in str(refused.value)


@kills("ticket_api/store/roles.py", "OR r.oid", "AND r.oid")
async def test_the_owner_may_not_serve(postgres_database: PostgresDatabase) -> None:
    with pytest.raises(DatabaseNotReadyError, match="the owner of tables"):
        await start(postgres_database.owner_url)


@kills("ticket_api/migrate.py", "if tables:", "if False:")
@pytest.mark.parametrize("switch", ["NO FORCE", "DISABLE"])
async def test_no_one_serves_while_a_table_has_no_row_level_security(
    switch: str, postgres: Postgres, postgres_database: PostgresDatabase
) -> None:
    await postgres.execute(f"ALTER TABLE tickets {switch} ROW LEVEL SECURITY", database=postgres_database.name)
    try:
        with pytest.raises(DatabaseNotReadyError, match="Row-level security is switched off for tickets,"):
            await start(postgres_database.application_url)
    finally:
        again = ("ALTER TABLE tickets ENABLE ROW LEVEL SECURITY", "ALTER TABLE tickets FORCE ROW LEVEL SECURITY")
        await postgres.execute(*again, database=postgres_database.name)


async def test_rights_are_granted_again_and_never_to_no_one(postgres_database: PostgresDatabase) -> None:
    await make(postgres_database.owner_url, grant_to=postgres_database.application)

    with pytest.raises(DatabaseNotReadyError, match="there is no role 'no one'"):
        await make(postgres_database.owner_url, grant_to="no one")
    await start(postgres_database.application_url)


async def start(url: str) -> None:
    app = create_app(database_url=url)
    async with app.router.lifespan_context(app):
        pass
