"""A database without tenants is migrated: everything in it moves to the tenant `default`, and nothing is lost."""

from typing import Any, Final

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from shared.storage.database import open_engine, resolve_url
from tests.databases import PostgresDatabase
from tests.ticket_api.conftest import Clock, client_of, make, new_ticket
from ticket_api import create_app
from ticket_api.migrate import MIGRATIONS
from ticket_api.store.connection import TenantConnection
from ticket_api.tenancy import DEFAULT

BEFORE: Final = """
INSERT INTO users VALUES ('u1', 'Ann Ærø', 'ann ærø', 'ann@example.com', 'support'), ('7', 'Bo', 'bo', 'b@e', 'x');
INSERT INTO accounts VALUES ('a1', 'Acme', 1, 'acme');
INSERT INTO categories VALUES ('c1', 'Net', 1);
INSERT INTO category_details VALUES ('d1', 'Cable', 1, 'c1');
INSERT INTO statuses VALUES ('s1', 'New', 1, false), ('s2', 'Done', 2, true);
INSERT INTO request_channels VALUES ('r1', 'Mail', 1);
INSERT INTO response_categories VALUES ('p1', 'Fixed', 1, NULL);
INSERT INTO tickets VALUES ('TCK-0007', 7, '2026-11-20 09:30:00', 'u1', 'a1', 'c1', 'd1', 'r1', 'Sömmary', 'sömmary',
    'Line
two', '7', 's2', '2026-12-01', NULL, 35, NULL, NULL, true, '007', '');
UPDATE ticket_numbers SET last = 12;
INSERT INTO attachments (id, ticket_id, file_name, file_url, uploaded_at)
    VALUES (3, 'TCK-0007', 'a.png', 'https://e.example/a', '2026-11-20 00:30:00');
INSERT INTO ticket_history (id, ticket_id, timestamp, user_id, comment)
    VALUES (5, 'TCK-0007', '2026-11-20 00:31:00.250000', 'u1', 'First'),
        (9, 'TCK-0007', '2026-11-20 01:00:00', '7', NULL);
INSERT INTO history_changed_fields (id, history_id, field_name, old_value, new_value)
    VALUES (21, 9, 'statusId', 'New', 'Done'), (20, 9, 'remarks', NULL, '');
INSERT INTO idempotency_keys VALUES ('k', 'f', 201, '{}', '2026-11-20 00:30:00')
"""
OLD: Final = {
    "users": "id", "accounts": "id", "categories": "id", "category_details": "id", "statuses": "id",
    "request_channels": "id", "response_categories": "id", "tickets": "id", "attachments": "id",
    "ticket_history": "id", "idempotency_keys": "key", "history_changed_fields": "field_name",
}  # fmt: skip
NEW_COLUMNS: Final = {
    *("tenant_id", "last_attachment", "last_history", "updated_at", "is_public", "text_folded", "names_folded"),
}
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(params=["sqlite", "postgresql"])
def owner_url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{(tmp_path / 't.sqlite3').as_posix()}"
    database: PostgresDatabase = request.getfixturevalue("empty_postgres")
    return database.owner_url


def upgrade_to_0001(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS.folder))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")


async def before_tenants(url: str, *statements: str) -> None:
    async with open_engine(resolve_url(url)) as engine, engine.begin() as connection:
        await connection.run_sync(upgrade_to_0001)
        for statement in statements:
            await connection.execute(text(statement))


async def contents(url: str) -> Rows:
    """Return every row of the old tables, without the new columns."""
    async with open_engine(resolve_url(url)) as engine, engine.begin() as connection:
        await connection.run_sync(TenantConnection.open, DEFAULT)
        found = {
            table: (await connection.execute(text(f"SELECT * FROM {table} ORDER BY {key}"))).mappings().all()  # noqa: S608 - constants
            for table, key in OLD.items()
        }
    return {
        table: [{name: value for name, value in row.items() if name not in NEW_COLUMNS} for row in rows]
        for table, rows in found.items()
    }


async def test_what_was_there_becomes_the_tenant_default_without_loss(owner_url: str, request: Any) -> None:
    await before_tenants(owner_url, *BEFORE.split(";\n"))
    before = await contents(owner_url)

    await make(owner_url)

    after = await contents(owner_url)
    for row in before["history_changed_fields"]:
        row["position"] = row.pop("id")  # the id gave the order, and the position still does
    assert after == before
    assert all(before.values())

    url = owner_url
    if not url.startswith("sqlite"):
        url = request.getfixturevalue("empty_postgres").application_url
    app = create_app(database_url=url, clock=Clock())
    async with app.router.lifespan_context(app), client_of(app) as api:
        ids = {"requestorId": "u1", "personInChargeId": "7", "accountId": "a1", "categoryId": "c1", "statusId": "s1"}
        more = {"categoryDetailId": "d1", "requestChannelId": "r1"}
        ticket = new_ticket(**ids, **more, attachments=[{"fileName": "b", "fileUrl": "https://e.example/b"}])
        made = (await api.post("/tickets", json=ticket)).json()["id"]
        noted = (await api.post("/tickets/TCK-0007/history", json={"userId": "u1", "comment": "Second"})).json()["id"]
        history = (await api.get("/tickets/TCK-0007/history")).json()
        attached = (await api.get(f"/tickets/{made}")).json()["attachments"]

    assert (made, noted, attached[0]["id"]) == ("TCK-0013", 10, 4)  # all numbers continue
    assert [entry["id"] for entry in history] == [10, 9, 5]
    assert [change["fieldName"] for change in history[1]["changedFields"]] == ["remarks", "statusId"]


async def test_one_that_no_one_used_yet_is_filled_like_a_new_one(owner_url: str) -> None:
    await before_tenants(owner_url)

    await make(owner_url)

    assert [len((await contents(owner_url))[table]) for table in ("users", "tickets")] == [8, 50]
