"""The audit table: append-only, read in pages, pruned when old. Also how the store's tables are created."""

from collections import Counter
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError

from auth.store import IdentityStore, open_store
from auth.store.errors import UnknownTenantError
from auth.store.records import AuditRecord
from auth.store.tables import SCHEMA, metadata
from auth.store.transactions import TimedEvent
from shared.audit import AuditEvent
from shared.errors import InvalidInputError
from shared.storage import fit_programs
from shared.storage.database import open_engine, resolve_url
from shared.storage.migrations import DatabaseNotReadyError
from tests.auth.conftest import SECRETS, Clock
from tests.databases import PostgresDatabase
from tests.kills import kills


def event(number: int, at: datetime, tenant: str = "acme") -> TimedEvent:
    return TimedEvent(AuditEvent(action="tool_call", outcome="ok", tenant=tenant, object=f"{number}"), at)


async def objects(store: IdentityStore, **which: Any) -> list[int]:
    found: list[int] = []
    async for event in store.audit.events(**which):
        found.append(int(event.object))
        assert len(found) <= 100, "the pages do not end"
    return found


@kills("auth/store/audit.py", "wanted.append(audit_events.c.tenant == tenant)", "pass")
async def test_events_are_read_in_pages_in_their_order(
    store: IdentityStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.store.audit.PAGE", 3)
    moment = timedelta(seconds=1)
    written = [event(n, clock.now + n // 4 * moment, "default" if n % 2 else "other") for n in range(20)]
    await store.audit.append(written)
    in_order = [int(one.event.object) for one in sorted(written, key=lambda one: (one.at, one.id))]

    assert await objects(store) == in_order
    assert await objects(store, newest_first=True) == in_order[::-1]
    assert await objects(store, tenant="default") == [n for n in in_order if n % 2]
    between = {"since": clock.now + moment, "until": clock.now + 3 * moment}
    assert await objects(store, **between) == [n for n in in_order if 4 <= n < 12]
    with pytest.raises(UnknownTenantError):  # an empty result for a misspelt name would look like a quiet night
        await objects(store, tenant="other")


async def test_an_audit_record_has_every_field_of_an_event(store: IdentityStore, clock: Clock) -> None:
    names = [field.name for field in fields(AuditEvent)]
    assert [field.name for field in fields(AuditRecord)] == ["id", "at", *names]
    await store.audit.append([TimedEvent(AuditEvent(**{name: name for name in names}), clock.now)])

    [record] = [record async for record in store.audit.events()]

    assert record.as_json() == {"id": record.id, "at": "2026-11-20T03:04:05.678000+00:00", **{n: n for n in names}}


@kills("auth/store/migrations/versions/identity_0001.py", "UPDATE ON audit_events", "INSERT ON audit_events WHEN false")
@kills("auth/store/migrations/versions/identity_0001.py", "'90 days'", "'9 days'")
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET outcome = 'ok'", "DELETE FROM {}", "UPDATE {} SET at = '2001-01-01'"]
)
async def test_young_events_can_be_neither_changed_nor_deleted(store: IdentityStore, statement: str) -> None:
    await store.audit.append([event(1, datetime.now(UTC) - timedelta(days=89))])

    with pytest.raises(DBAPIError, match="audit events are"):
        await run(store, statement)

    assert await objects(store) == [1]


async def test_old_events_can_be_deleted_and_never_changed(store: IdentityStore) -> None:
    await store.audit.append([event(1, datetime.now(UTC) - timedelta(days=91))])

    with pytest.raises(DBAPIError, match="audit events are never changed"):
        await run(store, "UPDATE {} SET outcome = 'ok'")
    await run(store, "DELETE FROM {}")

    assert await objects(store) == []


async def run(store: IdentityStore, statement: str) -> None:
    async with store.audit._transactions.changing() as change:
        is_postgresql = change.connection.dialect.name == "postgresql"
        await change.connection.execute(
            text(statement.format("identity.audit_events" if is_postgresql else "audit_events"))
        )


async def test_not_even_the_owner_empties_the_audit_table(migrated_postgres: PostgresDatabase) -> None:
    connection = await asyncpg.connect(migrated_postgres.owner_url)
    with pytest.raises(asyncpg.RaiseError, match="audit events are"):
        await connection.execute("TRUNCATE identity.audit_events")
    await connection.close()


async def test_old_events_are_pruned_some_at_a_time_and_each_time_is_audited(
    identity_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.store.audit.PRUNED_AT_ONCE", 2)
    async with open_store(identity_url, SECRETS) as store:  # with the real clock, as the triggers have
        now = datetime.now(UTC)
        await store.audit.append([event(days, now - timedelta(days=days)) for days in (10, 95, 100, 110, 120)])

        assert await store.audit.prune(now - timedelta(days=97)) == 3

        kept = Counter([record.action async for record in store.audit.events()])
        assert kept == {"tool_call": 2, "audit_pruned": 2}
        with pytest.raises(InvalidInputError, match="at least 90 days"):
            await store.audit.prune(now - timedelta(days=89))


async def test_the_migrations_make_the_tables_that_the_program_knows(identity_url: str) -> None:
    def is_here(_: object, name: str, *more: object) -> bool:
        return not name.startswith(fit_programs.NAME)

    def differences(connection: Connection) -> list[Any]:
        if connection.dialect.name == "sqlite":
            context = MigrationContext.configure(connection, opts={"include_object": is_here})
            return list(compare_metadata(context, metadata))
        in_schema = MetaData(schema=SCHEMA)
        for table in metadata.tables.values():
            table.to_metadata(in_schema, schema=SCHEMA)
        options = {"include_schemas": True, "version_table_schema": SCHEMA, "include_object": is_here}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), in_schema))

    async with open_engine(resolve_url(identity_url)) as engine, engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_all_of_the_store_is_in_a_schema_of_its_own(migrated_postgres: PostgresDatabase) -> None:
    connection = await asyncpg.connect(migrated_postgres.application_url)
    rows = await connection.fetch(
        "SELECT schemaname, count(*) FROM pg_tables WHERE schemaname IN ('public', 'identity') GROUP BY schemaname"
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("CREATE TABLE identity.forbidden (id integer)")
    await connection.close()

    assert {row["schemaname"]: row["count"] for row in rows} == {"identity": len(metadata.tables) + 2}


async def test_without_rights_an_operator_is_told_what_to_do(empty_postgres: PostgresDatabase) -> None:
    with pytest.raises(DatabaseNotReadyError, match=r"python -m auth migrate --grant-to ROLE"):
        async with open_store(empty_postgres.application_url, SECRETS):
            pytest.fail("it opened")
    async with open_store(empty_postgres.owner_url, SECRETS):
        pass
    with pytest.raises(DatabaseNotReadyError, match="--grant-to ROLE"):
        async with open_store(empty_postgres.application_url, SECRETS):
            pytest.fail("it opened")


async def test_the_file_of_the_ticket_api_is_not_taken_for_an_identity_store(sqlite_identity_url: str) -> None:
    async with open_engine(resolve_url(sqlite_identity_url)) as engine, engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))

    with pytest.raises(DatabaseNotReadyError, match="identity store was made by a newer version"):
        async with open_store(sqlite_identity_url, SECRETS):
            pytest.fail("it opened")
