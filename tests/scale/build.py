"""Writes the large data set into an empty, migrated database: `python -m tests.scale.build URL`.

The URL is that of an SQLite file, or of PostgreSQL as a superuser: neither policies nor references slow it down.
Indexes are dropped and built again afterwards.
"""

import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Index, Table, inspect
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.storage.database import open_engine, resolve_url
from tests.scale.rows import CATEGORIES, STATUSES, Tenant, Ticket, tenants
from ticket_api.keys import digest_of
from ticket_api.store import tables
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search.folding import fold
from ticket_api.store.search.pieces import set_of_text
from ticket_api.store.search.postgres import create_index, hashed, ticket_pieces
from ticket_api.store.search.sqlite import SqlitePieces

AT: Final = datetime(2023, 11, 1, tzinfo=UTC)
CHUNK: Final = 1_000
STATEMENT_S: Final = 300
INDEXED: Final = (tables.tickets, tables.ticket_history)
STATUS_NAMES: Final = {"stat1": "New", "stat2": "対応中", "stat3": "Waiting", "stat4": "完了", "stat5": "On hold"}


class Rows(NamedTuple):
    """Rows of one table."""

    table: Table
    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]


def key_of(tenant: str) -> str:
    """Return a key that may administer the tenant; the tenant `default` has only that of its service."""
    return f"tapi_{tenant:_<43}"


def master_rows(tenant: Tenant) -> Iterator[Rows]:
    """Yield the tenant and its master data."""
    name = tenant.id
    if name != "default":  # which the migration has made
        yield Rows(tables.tenants, ("id", "name", "created_at"), [(name, name, AT)])
        counters = ("tenant_id", "last", "last_attachment", "last_history")
        yield Rows(tables.ticket_numbers, counters, [(name, 0, 0, 0)])
        keys = ("tenant_id", "id", "digest", "created_at", "may_administer")
        yield Rows(tables.api_keys, keys, [(name, f"key-{name}", digest_of(key_of(name)), AT, True)])
    people = ("tenant_id", "id", "name", "name_folded", "email", "role")
    yield Rows(
        tables.users,
        people,
        [(name, f"user{n}", one, fold(one), f"u{n}@example.com", "support") for n, one in enumerate(tenant.people)],
    )
    ordered = ("tenant_id", "id", "name", "order_no")
    accounts = [(name, f"acc{n}", one, n, fold(one)) for n, one in enumerate(tenant.accounts)]
    yield Rows(tables.accounts, (*ordered, "name_folded"), accounts)
    kinds = [(name, f"cat{n}", f"Category {n}", n) for n in range(1, CATEGORIES + 1)]
    yield Rows(tables.categories, ordered, kinds)
    details = [(name, f"catd{n}", f"Detail {n}", n, f"cat{n}") for n in range(1, CATEGORIES + 1)]
    yield Rows(tables.category_details, (*ordered, "category_id"), details)
    statuses = [(name, id_, STATUS_NAMES[id_], n, completed) for n, (id_, completed) in enumerate(STATUSES.items())]
    yield Rows(tables.statuses, (*ordered, "completed"), statuses)
    yield Rows(tables.request_channels, ordered, [(name, "ch1", "メール", 1)])


TICKET: Final = (
    *("tenant_id", "id", "number", "reception_date_time", "requestor_id", "account_id", "category_id"),
    *("category_detail_id", "request_channel_id", "summary", "summary_folded", "description", "person_in_charge_id"),
    *("status_id", "scheduled_completion_date", "completion_date", "has_defect", "external_ticket_id", "updated_at"),
    *("text_folded", "names_folded"),
)


def ticket_row(tenant: Tenant, one: Ticket) -> tuple[Any, ...]:
    """Return the row of one ticket, by `TICKET`."""
    return (
        *(tenant.id, one.id, one.number, one.received, f"user{one.requestor}", f"acc{one.account}"),
        *(f"cat{one.category}", f"catd{one.category}", "ch1", one.summary, fold(one.summary), one.description),
        *(f"user{one.person}", one.status, one.due, one.completed, False, one.external_id, one.updated),
        *searched(tenant, one),
    )


def searched(tenant: Tenant, one: Ticket) -> tuple[str, str]:
    """Return the text and the names in which words are searched, as `index_tickets` writes them (a test compares)."""
    comments = (entry.comment for entry in reversed(one.entries))
    text = (one.summary, one.id, one.external_id or "", one.description, *comments)
    names = (tenant.accounts[one.account], tenant.people[one.requestor], tenant.people[one.person])
    return "\n".join(map(fold, text)), "\n".join(map(fold, names))


def history_rows(tenant: Tenant) -> Iterator[Rows]:
    """Yield the history, numbered by time, and a changed field of every second entry."""
    ordered = sorted(
        (entry.at, one.id, entry.user, entry.comment) for one in tenant.tickets for entry in one.entries
    )  # fmt: skip
    yield Rows(
        tables.ticket_history,
        ("tenant_id", "id", "ticket_id", "timestamp", "user_id", "comment", "is_public"),
        [
            (tenant.id, id_, ticket, at, f"user{user}", comment, False)
            for id_, (at, ticket, user, comment) in enumerate(ordered, 1)
        ],
    )
    yield Rows(
        tables.history_changed_fields,
        ("tenant_id", "history_id", "position", "field_name", "old_value", "new_value"),
        [(tenant.id, id_, 0, "statusId", "New", "完了") for id_ in range(2, len(ordered) + 1, 2)],
    )


def rows_of(tenant: Tenant) -> Iterator[Rows]:
    """Yield everything of a tenant, each table after those it refers to."""
    yield from master_rows(tenant)
    yield Rows(tables.tickets, TICKET, [ticket_row(tenant, one) for one in tenant.tickets])
    yield from history_rows(tenant)


def for_sqlite(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the row with its dates as SQLAlchemy stores them."""
    return tuple(
        value.replace(tzinfo=None).isoformat(" ", "microseconds")
        if isinstance(value, datetime)
        else value.isoformat()
        if isinstance(value, date)
        else value
        for value in row
    )


async def write(connection: AsyncConnection, some: Rows) -> None:
    """Write rows: by COPY on PostgreSQL."""
    if connection.dialect.name == "postgresql":
        raw: Any = (await connection.get_raw_connection()).driver_connection
        await raw.copy_records_to_table(some.table.name, records=some.rows, columns=some.columns, timeout=STATEMENT_S)
        return
    names, marks = ", ".join(some.columns), ", ".join("?" * len(some.columns))
    statement = f"INSERT INTO {some.table.name} ({names}) VALUES ({marks})"  # noqa: S608 - of names in code
    await connection.exec_driver_sql(statement, list(map(for_sqlite, some.rows)))


async def index(connection: AsyncConnection, some: Rows) -> None:
    """Index the words of tickets of one tenant."""
    tenant = some.rows[0][0]
    texts = [(row[2], f"{row[-2]}\n{row[-1]}") for row in some.rows]
    if connection.dialect.name == "postgresql":
        rows = [(tenant, number, hashed(tenant, set_of_text(text))) for number, text in texts]
        await write(connection, Rows(ticket_pieces, ("tenant_id", "number", "pieces"), rows))
        return

    def replace(sync: Connection) -> None:
        db = TenantConnection.open(sync, tenant)
        for first in range(0, len(texts), CHUNK):
            SqlitePieces().replace(db, [(number, "", text) for number, text in texts[first : first + CHUNK]])

    await connection.run_sync(replace)


def drop_indexes(connection: Connection) -> list[Index]:
    """Drop the indexes of the large tables, and return them."""
    there = {index["name"] for table in INDEXED for index in inspect(connection).get_indexes(table.name)}
    dropped = [index for table in INDEXED for index in table.indexes if index.name in there]
    for one in dropped:
        one.drop(connection)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DROP INDEX pieces_of_tickets")
    return dropped


def finish(connection: Connection, indexes: Sequence[Index]) -> None:
    """Build the indexes and set the counters."""
    for one in indexes:
        one.create(connection)
    if connection.dialect.name == "postgresql":
        create_index(connection)
    connection.exec_driver_sql(
        "UPDATE ticket_numbers SET last = (SELECT count(*) FROM tickets t WHERE t.tenant_id = ticket_numbers.tenant_id)"
        ", last_history = (SELECT count(*) FROM ticket_history h WHERE h.tenant_id = ticket_numbers.tenant_id)"
    )


BEFORE: Final = {
    "sqlite": ("PRAGMA cache_size = -200000",),
    "postgresql": (
        "SET session_replication_role = replica",
        "SET statement_timeout = 0",
        "SET idle_in_transaction_session_timeout = 0",
        "SET maintenance_work_mem = '512MB'",
    ),
}


AFTER: Final = {
    "sqlite": ("ANALYZE",),
    "postgresql": ("SET statement_timeout = 0", "VACUUM tickets", "ANALYZE"),
}
"""What the databases do themselves in time."""


async def build(url: str, those: Iterable[Tenant]) -> None:
    """Fill the database with these tenants."""
    async with open_engine(resolve_url(url), statement_s=STATEMENT_S) as engine, engine.connect() as connection:
        for statement in BEFORE[engine.dialect.name]:
            await connection.exec_driver_sql(statement)
        await connection.commit()
        indexes = await connection.run_sync(drop_indexes)
        for tenant in those:
            for some in rows_of(tenant):
                await write(connection, some)
                if some.table is tables.tickets:
                    await index(connection, some)
        await connection.run_sync(finish, indexes)
        await connection.commit()
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in AFTER[engine.dialect.name]:
            await connection.exec_driver_sql(statement)


if __name__ == "__main__":
    asyncio.run(build(sys.argv[1], tenants()))
