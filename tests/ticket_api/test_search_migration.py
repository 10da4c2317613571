"""A database of the previous release is searched right after it is migrated."""

from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from shared.storage.database import open_engine, resolve_url
from tests.captured_logs import capture_logs
from tests.databases import PostgresDatabase
from tests.ticket_api.conftest import make
from tests.ticket_api.store.searching import found, run, scanned, texts_of
from ticket_api.migrate import MIGRATIONS
from ticket_api.store.connection import TenantConnection

ROWS = """
INSERT INTO tenants VALUES ('{t}', '{t}', '2026-11-20 00:00:00');
INSERT INTO ticket_numbers VALUES ('{t}', 2, 0, 2);
INSERT INTO users VALUES ('{t}', 'u1', 'サトウ', 'サトウ', 'a@example.com', 'support');
INSERT INTO accounts VALUES ('{t}', 'a1', 'アトラス{t}', 1, 'アトラス{t}');
INSERT INTO categories VALUES ('{t}', 'c1', 'Net', 1);
INSERT INTO category_details VALUES ('{t}', 'd1', 'Cable', 1, 'c1');
INSERT INTO statuses VALUES ('{t}', 's1', 'New', 1, false);
INSERT INTO request_channels VALUES ('{t}', 'r1', 'Mail', 1);
INSERT INTO tickets (tenant_id, id, number, reception_date_time, requestor_id, account_id, category_id,
    category_detail_id, request_channel_id, summary, summary_folded, description, person_in_charge_id, status_id,
    has_defect, external_ticket_id)
  SELECT '{t}', 'TCK-000' || n, n, '2026-11-20 09:30:00', 'u1', 'a1', 'c1', 'd1', 'r1', 'プリンター ' || n,
    'プリンター ' || n, 'Straße ' || n, 'u1', 's1', false, 'EXT-' || n
  FROM (SELECT 1 AS n UNION SELECT 2) AS numbers;
INSERT INTO ticket_history (tenant_id, id, ticket_id, timestamp, user_id, comment)
    VALUES ('{t}', 1, 'TCK-0001', '2026-11-20 00:31:00', 'u1', '券が出ない'),
        ('{t}', 2, 'TCK-0002', '2026-11-20 01:00:00', 'u1', NULL)
"""
TENANTS = ("default", "acme")
WORDS = ("ぷりんたー", "プリンター", "券", "strasse 2", "さとう", "あとらす", "ext-1", "tck", "xyzzyq")


@pytest.fixture(params=["sqlite", "postgresql"])
def owner_url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{(tmp_path / 't.sqlite3').as_posix()}"
    database: PostgresDatabase = request.getfixturevalue("empty_postgres")
    return database.owner_url


def write_as_before(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS.folder))
    config.attributes["connection"] = connection
    command.upgrade(config, "0003")
    for tenant in TENANTS:
        TenantConnection.open(connection, tenant)
        for statement in ROWS.format(t=tenant).split(";\n"):
            connection.execute(text(statement))


async def test_what_was_there_is_found_after_the_migration(owner_url: str, request: pytest.FixtureRequest) -> None:
    async with open_engine(resolve_url(owner_url)) as engine, engine.begin() as connection:
        await connection.run_sync(write_as_before)

    with capture_logs() as logs:
        await make(owner_url, "none")
        await make(owner_url, "none")

    (said,) = (line["hint"] for line in logs if line["message"] == "database_upgrade")
    assert said.startswith("The ticket database is being upgraded.")
    url = owner_url
    if not url.startswith("sqlite"):
        url = request.getfixturevalue("empty_postgres").application_url  # a role that served before goes on serving

    def see(db: TenantConnection) -> list[tuple[set[int], set[int]]]:
        texts = texts_of(db)
        by_words = [(found(db, word), scanned(texts, word)) for word in WORDS]
        by_phrase = [(found(db, phrase=phrase), {1, 2}) for phrase in ("ぷりんたー", "あとらす", "さとう")]
        return by_words + by_phrase

    for tenant in TENANTS:
        answers = await run(url, see, tenant)
        assert [got for got, _ in answers] == [expected for _, expected in answers]
        assert sum(bool(got) for got, _ in answers) == len(answers) - 1
