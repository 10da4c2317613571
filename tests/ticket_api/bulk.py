"""Creates many tickets in a second or two inside the database, with the planner statistics that a test needs.

The database must be migrated and have the sample data of the tenant `default`. Every value of a bulk row follows from
its number `n`, counted from 1, so that a test can compute what it expects.
"""

import sqlite3
from types import MappingProxyType
from typing import Final, Literal

import asyncpg

from shared.storage.database import resolve_url
from shared.storage.transactions import open_transactions
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search import index_tickets
from ticket_api.store.tables import metadata, tickets

Statistics = Literal["none", "old", "tickets", "all"]
COMMON: Final = "printer"
"""In the summary of every third bulk ticket."""
RARE: Final = "zeppelin"
"""In the summary of every thousandth bulk ticket."""

_WORDS: Final = MappingProxyType(
    {
        "postgresql": {
            "rows": "(SELECT generate_series(1, {count}) AS n) AS numbers",
            "four": "lpad(CAST({n} AS text), greatest(4, length(CAST({n} AS text))), '0')",
            "day": "(DATE '2025-06-01' + CAST({n} AS integer))",
            "minute": "(TIMESTAMP '2025-06-01 08:00:00' + ({n}) * INTERVAL '1 minute')",
            "moment": "(TIMESTAMPTZ '2025-06-01 08:00:00Z' + ({n}) * INTERVAL '1 minute')",
        },
        "sqlite": {
            "rows": "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {count})"
            " SELECT n FROM c)",
            "four": "printf('%04d', {n})",
            "day": "date('2025-06-01', '+' || ({n}) || ' days')",
            "minute": "strftime('%Y-%m-%d %H:%M:%S.000000', '2025-06-01 08:00:00', '+' || ({n}) || ' minutes')",
            "moment": "strftime('%Y-%m-%d %H:%M:%S.000000', '2025-06-01 08:00:00', '+' || ({n}) || ' minutes')",
        },
    }
)
_PARTNERS: Final = (
    """INSERT INTO accounts (tenant_id, id, name, order_no, name_folded)
    SELECT 'default', 'bulk-account-' || n, 'Customer ' || {number} || ' Ltd', 100 + n,
        'customer ' || {number} || ' ltd'
    FROM {accounts}""",
    """INSERT INTO users (tenant_id, id, name, name_folded, email, role)
    SELECT 'default', 'bulk-user-' || n, 'Caller ' || {number}, 'caller ' || {number}, 'c@example.com', 'sales'
    FROM {users}""",
)
_TICKETS: Final = (
    """INSERT INTO tickets (tenant_id, id, number, reception_date_time, requestor_id, account_id, category_id,
        category_detail_id, request_channel_id, summary, summary_folded, description, person_in_charge_id, status_id,
        scheduled_completion_date, completion_date, has_defect, updated_at)
    SELECT 'default', 'TCK-' || {ticket}, last + n, {received}, {requestor}, {account}, 'cat1', 'catd1', 'ch1',
        {summary}, {summary}, 'Made by tests.', 'user' || (1 + n % 8),
        CASE WHEN n % 10 < 7 THEN 'stat4' ELSE 'stat' || (1 + n % 3) END,
        CASE WHEN n % 5 > 0 THEN {due} END, CASE WHEN n % 10 < 7 THEN {done} END, n % 50 = 0, {at}
    FROM {tickets}, ticket_numbers WHERE tenant_id = 'default'""",
    """INSERT INTO ticket_history (tenant_id, id, ticket_id, timestamp, user_id, comment, is_public)
    SELECT 'default', last_history + n, 'TCK-' || {ticket_of_entry}, {at}, 'user' || (1 + n % 8), 'Entry ' || n, false
    FROM {entries}, ticket_numbers WHERE tenant_id = 'default'""",
    """INSERT INTO history_changed_fields (tenant_id, history_id, position, field_name, old_value, new_value)
    SELECT 'default', last_history + n, 0, 'statusId', 'New', 'In progress'
    FROM {entries}, ticket_numbers WHERE tenant_id = 'default'""",
    """INSERT INTO attachments (tenant_id, id, ticket_id, file_name, file_url, uploaded_at)
    SELECT 'default', last_attachment + n, 'TCK-' || {ticket}, 'a.png', 'https://files.example.com/' || n, {at}
    FROM {tickets}, ticket_numbers WHERE tenant_id = 'default'""",
    """UPDATE ticket_numbers SET last = last + {count}, last_attachment = last_attachment + {count},
    last_history = last_history + 2 * {count} WHERE tenant_id = 'default'""",
)


async def fill_tickets(url: str, count: int = 50_000, accounts: int = 300, *, statistics: Statistics = "none") -> None:
    """Add `count` tickets, each with two history entries and a file, for `accounts` new accounts and some users.

    Without new accounts, the tickets belong to those of the sample data. Seven of ten tickets are completed.

    `url` is that of the owner of the tables, SQLite or PostgreSQL 18. `statistics` selects the tables with planner
    statistics: none, all but outdated ("old"), `tickets` alone (as autovacuum leaves a database in which the master
    tables have fewer than 50 rows), or all. Autovacuum is switched off, so that they stay that way.
    """
    resolved = resolve_url(url)
    statements = _statements(_WORDS[resolved.get_backend_name()], count, accounts)
    if resolved.get_backend_name() == "sqlite":
        _fill_sqlite(str(resolved.database), statements)
        await index_all(url)
        _analyse_sqlite(str(resolved.database), statistics)
    else:
        await _fill_postgresql(url, statements)
        await index_all(url)
        await _analyse_postgresql(url, statistics)


async def index_all(url: str, tenant: str = "default") -> None:
    """Index every ticket of the tenant that is not indexed, in transactions of a second or so."""
    async with open_transactions(resolve_url(url)) as transactions:
        while await transactions.write(lambda connection: _index_some(TenantConnection.open(connection, tenant))):
            pass


def _index_some(db: TenantConnection) -> bool:
    new = db.select(tickets, tickets.c.number).where(tickets.c.text_folded == "").limit(2_000)
    numbers = db.scalars(new).all()
    index_tickets(db, numbers)
    return bool(numbers)


def _statements(words: dict[str, str], count: int, accounts: int) -> list[str]:
    users = max(1, accounts // 10)
    parts = {
        "number": words["four"].format(n="n"),
        "ticket": words["four"].format(n="(last + n)"),
        "ticket_of_entry": words["four"].format(n="(last + (n + 1) / 2)"),
        "received": words["minute"].format(n="n * 7 % 500000"),
        "at": words["moment"].format(n="n"),
        "due": words["day"].format(n="n % 600"),
        "done": words["day"].format(n="n % 500"),
        "summary": f"CASE WHEN n % 1000 = 0 THEN '{RARE}' WHEN n % 3 = 0 THEN '{COMMON}' ELSE 'network' END"
        " || ' does not work, report ' || n",
        "requestor": f"'bulk-user-' || (1 + n % {users})" if accounts else "'user' || (1 + n % 8)",
        "account": f"'bulk-account-' || (1 + n % {accounts})" if accounts else "'acc' || (1 + n % 8)",
        "accounts": words["rows"].format(count=accounts),
        "users": words["rows"].format(count=users),
        "tickets": words["rows"].format(count=count),
        "entries": words["rows"].format(count=2 * count),
        "count": str(count),
    }
    return [statement.format_map(parts) for statement in (*(_PARTNERS if accounts else ()), *_TICKETS)]


def _fill_sqlite(file: str, statements: list[str]) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        for statement in ("BEGIN IMMEDIATE", *statements, "COMMIT"):
            connection.execute(statement)
    finally:
        connection.close()


def _analyse_sqlite(file: str, statistics: Statistics) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        if statistics != "old":
            connection.execute("ANALYZE")
        if statistics in {"none", "tickets"}:
            connection.execute("DELETE FROM sqlite_stat1 WHERE tbl <> ?", (statistics,))
    finally:
        connection.close()


async def _fill_postgresql(url: str, statements: list[str]) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        for table in metadata.tables:
            await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.tenant_id', 'default', true)")
            for statement in statements:
                await connection.execute(statement, timeout=120)
    finally:
        await connection.close(timeout=10)


async def _analyse_postgresql(url: str, statistics: Statistics) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        for table in metadata.tables if statistics != "old" else ():
            known = statistics in {"all", table}
            await (connection.execute(f"ANALYZE {table}") if known else _forget(connection, table))
    finally:
        await connection.close(timeout=10)


async def _forget(connection: "asyncpg.Connection[asyncpg.Record]", table: str) -> None:
    """Reset the planner statistics of the table, as if it had never been analysed."""
    await connection.execute("SELECT pg_clear_relation_stats('public', $1)", table)
    await connection.execute(
        "SELECT pg_clear_attribute_stats('public', $1, attname, false) FROM pg_attribute "
        "WHERE attrelid = CAST($1 AS regclass) AND attnum > 0 AND NOT attisdropped",
        table,
    )
