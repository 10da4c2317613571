"""What a database says of older programs: those of which revisions may run on it, so that a release can go back.

Each migration states it for itself by the constant `fits_programs_from`: the oldest revision whose programs may run on
what it leaves. Its own revision there means that no older program may. After migrating, what follows from all of them
is written into the table `fit_programs`, because an older program cannot ask migrations that it does not have.
"""

from collections.abc import Sequence
from typing import Final

from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData, String, Table, delete, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

NAME: Final = "fit_programs"


def fit_revisions(script: ScriptDirectory) -> Sequence[str]:
    """Return the revisions whose programs may run on a database at head, newest first: head and what it still fits."""
    revisions = [*script.walk_revisions()]
    places = {one.revision: place for place, one in enumerate(revisions)}
    fit, oldest = list[str](), len(revisions)
    for place, one in enumerate(revisions):
        if place > oldest:
            break
        fit.append(one.revision)
        oldest = min(oldest, places[one.module.fits_programs_from])
    return fit


def write(connection: Connection, schema: str | None, revisions: Sequence[str]) -> None:
    """Record that programs of these revisions, and of no others, may run on tables of the first.

    Every role may read it.
    """
    table = _table(schema)
    if not inspect(connection).has_table(NAME, schema=schema):
        table.create(connection)
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"GRANT SELECT ON {f'{schema}.' if schema else ''}{NAME} TO PUBLIC"))
    connection.execute(delete(table))
    connection.execute(insert(table), [{"tables": revisions[0], "program": one} for one in revisions])


def may_run(connection: Connection, schema: str | None, *, program: str, tables: str) -> bool:
    """Whether the database says of its revision `tables` that programs of the revision `program` may run.

    It does not if the statement is missing, cannot be read, or is about other tables than these.
    """
    table = _table(schema)
    try:
        if not inspect(connection).has_table(NAME, schema=schema):
            return False
        fits = select(table.c.program).where(table.c.tables == tables, table.c.program == program)
        return connection.scalar(fits) is not None
    except DBAPIError:
        return False


def _table(schema: str | None) -> Table:
    columns = (Column(name, String(64), primary_key=True) for name in ("tables", "program"))
    return Table(NAME, MetaData(schema=schema), *columns)
