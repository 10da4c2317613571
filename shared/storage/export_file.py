"""Writes what a database holds of one organisation to a file: JSON Lines, of one snapshot, with bounded memory.

The first line says what the file is, the last one how many rows each table has; each line between is one row:

    {"export": "tickets", "version": 1, "organisation": "acme", "at": "2026-11-30T03:00:00+00:00"}
    {"table": "users", "row": {"id": "user1", "name": "Mika", …}}
    {"end": {"users": 1, "tickets": 0, …}}

A file without the last line is not complete. Dates and times are in ISO 8601, times of events in UTC.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime
from errno import EEXIST
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import Select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.errors import TicketServerError
from shared.storage.database import busy_as_error

VERSION: Final = 1
AT_ONCE: Final = 1000
"""How many rows are in memory."""
LONGEST_EXPORT_S: Final = 3600
"""How long one statement may take, in seconds; the engine needs the same limit."""

Queries = Mapping[str, Select[Any]]
"""The rows of each table, by its name, in the order in which the file has them."""


class ExportError(TicketServerError):
    """The file cannot be written; the message says why."""

    kind = "not_exported"


async def export_rows(
    engine: AsyncEngine,
    queries: Queries,
    file: Path,
    about: Mapping[str, str],
    *,
    parameters: Mapping[str, Any],
    begin: Callable[[AsyncConnection], Awaitable[None]],
) -> dict[str, int]:
    """Write the rows of all `queries` to a new file that only its owner can read; return how many of each table.

    Args:
        engine: of the database.
        queries: of one organisation.
        file: appears when it is complete.
        about: the fields of the first line.
        parameters: values of the parameters of the queries.
        begin: is called in the transaction before the queries. May raise what refuses the export.

    Raises:
        ExportError: the file exists, or cannot be written.
        DatabaseBusyError: the database cannot be read.
    """
    with busy_as_error():
        async with _snapshot(engine) as connection:
            await begin(connection)
            with _new(file) as out:
                return await _write(connection, queries, out, about, parameters)


@asynccontextmanager
async def _snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Open a transaction in which all queries see the same moment, however long they take."""
    async with engine.connect() as connection:
        is_postgres = engine.dialect.name == "postgresql"
        if is_postgres:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with connection.begin():
            if is_postgres:
                for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
                    await connection.execute(text("SELECT set_config(:name, '0', true)"), {"name": limit})
            yield connection


@contextmanager
def _new(file: Path) -> Iterator[IO[str]]:
    """Open a new file that gets its name when the block ends. Raises: ExportError."""
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        if file.exists():
            raise FileExistsError(EEXIST, os.strerror(EEXIST), file)
        unfinished.unlink(missing_ok=True)  # of an export that was killed
        descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as out:
            yield out
            out.flush()
            os.fsync(descriptor)
        unfinished.replace(file)
    except OSError as error:
        raise ExportError(f"{error.filename or file}: {error.strerror}. Nothing was exported.") from error
    finally:
        unfinished.unlink(missing_ok=True)


async def _write(
    connection: AsyncConnection, queries: Queries, out: IO[str], about: Mapping[str, str], parameters: Mapping[str, Any]
) -> dict[str, int]:
    await asyncio.to_thread(out.write, _line({**about, "version": VERSION}))
    counts = dict.fromkeys(queries, 0)
    for table, query in queries.items():
        found = await connection.stream(query.execution_options(yield_per=AT_ONCE), parameters)
        async for rows in found.mappings().partitions():
            counts[table] += len(rows)
            await asyncio.to_thread(out.write, "".join(_line({"table": table, "row": dict(row)}) for row in rows))
    await asyncio.to_thread(out.write, _line({"end": counts}))
    return counts


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, default=_json) + "\n"


def _json(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in an export")
