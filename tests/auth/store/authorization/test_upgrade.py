"""A store of the release before is upgraded by its owner, and serves sign-ins with the rights that it had."""

import asyncpg
import pytest
from alembic import command
from sqlalchemy import Connection, text

from auth.store import open_store
from auth.store.authorization.tables import grants
from auth.store.migrate import MIGRATIONS, grant, in_schema, prepare
from auth.store.tables import SCHEMA
from shared.storage.database import open_engine, resolve_url
from tests.auth.conftest import SECRETS, Clock
from tests.auth.store.authorization.conftest import signed_in
from tests.auth.store.test_identities import bare_postgres, owner_and_application
from tests.databases import Postgres, PostgresDatabase

__all__ = ("bare_postgres", "owner_and_application")


def to_previous_version(connection: Connection) -> None:
    config = MIGRATIONS._config()
    config.attributes["connection"] = connection
    command.upgrade(config, "identity_0002")


@pytest.mark.parametrize("owner_and_application", ["postgresql"], indirect=True)
async def test_the_servers_role_keeps_its_rights_on_what_is_new(
    owner_and_application: tuple[str, str], postgres: Postgres, clock: Clock
) -> None:
    owner, application = owner_and_application
    async with open_engine(resolve_url(owner)) as engine:
        async with in_schema(engine).begin() as connection:
            await connection.run_sync(to_previous_version)
        await grant(engine, postgres.application)
        await prepare(engine)

    async with open_store(application, SECRETS, clock=clock) as store:
        mika = await signed_in(store, store)
        begun = await mika.sign_in()
        await store.oauth_clients.register({})
        state = await store.sign_ins.begin({})

        assert await store.sign_ins.take(state) == {}
        assert (await mika.refresh(begun.refresh_token)).grant.is_on


async def test_a_role_gets_no_more_than_it_had(bare_postgres: PostgresDatabase, postgres: Postgres) -> None:
    async with open_engine(resolve_url(bare_postgres.owner_url)) as engine:
        async with in_schema(engine).begin() as connection:
            await connection.run_sync(to_previous_version)
            for right in (f"USAGE ON SCHEMA {SCHEMA}", f"SELECT ON {SCHEMA}.users"):
                await connection.execute(text(f'GRANT {right} TO "{postgres.application}"'))
        await prepare(engine)

    connection_of_role = await asyncpg.connect(bare_postgres.application_url)
    try:
        assert await connection_of_role.fetch(f"SELECT * FROM {SCHEMA}.{grants.name}") == []  # noqa: S608 - constants
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection_of_role.execute(f"DELETE FROM {SCHEMA}.{grants.name}")  # noqa: S608 - constants
    finally:
        await connection_of_role.close()
