"""Changes of master data beside searches and other writers, and the rights of roles that serve already."""

import asyncio
from functools import partial

import pytest
from httpx2 import AsyncClient
from sqlalchemy import text

from shared.storage.database import Database, open_engine, resolve_url
from tests.databases import PostgresDatabase
from tests.ticket_api.conftest import Clock, make, new_ticket, running
from ticket_api.migrate import migrate

USERS = "/tickets/master/users"


async def found(api: AsyncClient, words: str) -> set[str]:
    """Return the tickets that a search finds."""
    query = {"searchWords": words, "showCompleted": "true", "limit": "200"}
    return {row["ticketId"] for row in (await api.get("/tickets", params=query)).json()}


async def test_the_next_search_finds_a_new_name_and_not_the_old_one(api: AsyncClient) -> None:
    for path, old, new in (("users/user6", "Brandvold", "新居 瑠璃"), ("accounts/acc3", "Tessaly", "Ｎｅｗｈａｖｅｎ")):
        theirs = await found(api, old)
        assert theirs

        assert (await api.put(f"/tickets/master/{path}", json={"name": new})).status_code == 200

        assert await found(api, new.casefold()) == theirs
        assert await found(api, old) == set()


REMOVES = "DELETE FROM users WHERE id = 'brief'"
USES = "UPDATE tickets SET requestor_id = 'brief' WHERE id = 'TCK-0001'"


@pytest.mark.parametrize("first", [REMOVES, USES], ids=["removed", "used"])
async def test_a_ticket_and_the_removal_of_its_person_exclude_each_other(
    filled_postgres: PostgresDatabase, first: str
) -> None:
    """The second transaction waits for the first, finds itself contradicted, and its response says why."""
    url = filled_postgres.application_url
    async with running(url, Clock()) as api, open_engine(resolve_url(url)) as engine:
        await api.put(f"{USERS}/brief", json={"name": "Brief"})
        async with engine.begin() as connection:
            await connection.execute(text("SELECT set_config('app.tenant_id', 'default', true)"))
            await connection.execute(text(first))
            create = partial(api.post, "/tickets", json=new_ticket(requestorId="brief"))
            second = asyncio.create_task(create() if first == REMOVES else api.delete(f"{USERS}/brief"))
            async with asyncio.timeout(30):
                while not await is_waiting(filled_postgres):
                    pass
        response = await second

    assert (response.status_code, response.json().get("kind")) == ((400, None) if first == REMOVES else (409, "in_use"))


async def test_a_change_of_a_ticket_and_a_removal_do_not_wait_for_each_other(filled_postgres: PostgresDatabase) -> None:
    """A removal first takes the lock of the tenant's numbers, so a change must hold no person before it has that."""
    url = filled_postgres.application_url
    async with running(url, Clock()) as api, open_engine(resolve_url(url)) as engine:
        await api.put(f"{USERS}/brief", json={"name": "Brief"})
        async with engine.begin() as connection:
            await connection.execute(text("SELECT set_config('app.tenant_id', 'default', true)"))
            await connection.execute(text("UPDATE ticket_numbers SET last = last"))
            body = {"updatedById": "user1", "personInChargeId": "brief"}
            change = asyncio.create_task(api.put("/tickets/TCK-0001", json=body))
            async with asyncio.timeout(30):
                while not await is_waiting(filled_postgres):
                    pass
            await connection.execute(text(REMOVES))
        response = await change

    assert (response.status_code, response.json()["field"]) == (400, "personInChargeId")


async def is_waiting(database: PostgresDatabase) -> bool:
    """Return whether a transaction waits for another one's lock."""
    async with open_engine(resolve_url(database.owner_url)) as engine, engine.connect() as connection:
        locks = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')"
        return bool(await connection.scalar(text(locks)))


async def test_a_role_that_serves_already_gets_what_this_version_needs(filled_postgres: PostgresDatabase) -> None:
    role = filled_postgres.application
    async with open_engine(resolve_url(filled_postgres.owner_url)) as engine:
        async with Database(engine).writing() as connection:
            await connection.execute(text(f'REVOKE UPDATE, DELETE ON users, statuses FROM "{role}"'))
        await migrate(engine, fill=None, clock=Clock())

    async with running(filled_postgres.application_url, Clock()) as api:
        assert (await api.put(f"{USERS}/user1", json={"name": "Renamed"})).status_code == 200
        assert (await api.post("/tickets/master/statuses", json={"name": "x"})).status_code == 201
        assert (await api.delete("/tickets/master/statuses/stat5")).status_code == 200


async def test_migrations_at_once_grant_one_after_the_other(filled_postgres: PostgresDatabase) -> None:
    await asyncio.gather(*(make(filled_postgres.owner_url, grant_to=filled_postgres.application) for _ in range(4)))
