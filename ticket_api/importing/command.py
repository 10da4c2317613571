"""The command `tickets import FILE.csv`: reads and checks the whole file, then stores it in small transactions.

With a faulty row, nothing is stored unless that is asked for. The sentences are for the person at the terminal.
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Final

from ticket_api.administration.session import Session
from ticket_api.importing.checking import Checked, CheckedRow, RawRow
from ticket_api.importing.csv_reader import CsvTable
from ticket_api.importing.options import FileOptions
from ticket_api.importing.problems import faulty_rows, show
from ticket_api.importing.report import write_report
from ticket_api.importing.storing import Outcome
from ticket_api.importing.ticket_columns import COLUMNS, DateOrder, Form, read_cells
from ticket_api.importing.tickets import check_rows, store_rows

FAULTY: Final = 2
"""The exit code when a row is faulty, unless faulty rows are to be skipped."""


async def import_tickets(session: Session, options: argparse.Namespace) -> int:
    """Import a file of tickets; return the exit code.

    Raises: CsvError, UnknownEncodingError, ImportStoppedError, DatabaseBusyError.
    """
    file = FileOptions.of(options)
    table = await asyncio.to_thread(file.read, COLUMNS)
    checked = await _check(session, table, options.date_order)
    _tell_problems(session, checked)
    if file.report is not None:  # before anything is stored: it may be that it cannot be written
        await asyncio.to_thread(write_report, file.report, checked.problems, ())
    if not checked.problems or file.skip_faulty or file.dry_run:
        stored = await _store(session, checked.rows, dry_run=file.dry_run)
        _tell_outcomes(session, stored, checked.rows, dry_run=file.dry_run)
        if file.report is not None:
            await asyncio.to_thread(write_report, file.report, checked.problems, _results(stored, dry_run=file.dry_run))
    else:
        session.tell("Nothing was stored. Correct the file, or store the other rows with --skip-faulty.")
    return FAULTY if checked.problems and not file.skip_faulty else 0


async def _store(session: Session, rows: Sequence[CheckedRow], *, dry_run: bool) -> list[Outcome]:
    """Store the rows, showing how far it got, and record that in the audit trail, also if it ends early."""
    done = created = 0

    def progress(outcomes: Sequence[Outcome]) -> None:
        nonlocal done, created
        done, created = len(outcomes), sum(one.result == "created" for one in outcomes)
        if sys.stderr.isatty() and not dry_run:
            end = "\n" if done == len(rows) else ""
            print(f"\r{done:,} of {len(rows):,}", end=end, file=sys.stderr, flush=True)  # noqa: T201 - a terminal

    try:
        return await store_rows(
            session.tenants, session.tenant, rows, session.clock, dry_run=dry_run, on_progress=progress
        )
    except asyncio.CancelledError:
        session.tell(
            f"Stopped after at least {done:,} of {len(rows):,} rows. Repeat the same command to store the others."
        )
        raise
    finally:
        if created and not dry_run:
            await session.audit("tickets_imported", "tickets", f"{created} created")


async def _check(session: Session, table: CsvTable, date_order: DateOrder | None) -> Checked:
    """Return the rows that can be stored and every problem, with the headings of the file, in its order."""
    now = session.clock()
    form = Form(now.date(), date_order, decimal_comma=table.separator == ";")
    rows: list[RawRow] = []
    unread = list(table.problems)
    for row in table.rows:
        values, wrong = read_cells(table, row, form)
        rows.append(RawRow(row.number, values))
        unread += wrong
    checked = await check_rows(session.tenants, session.tenant, rows, now)
    named = [one._replace(column=table.heading_of.get(one.column, one.column)) for one in checked.problems]
    problems = sorted([*unread, *named], key=lambda problem: problem.row)
    faulty = faulty_rows(unread)
    return Checked([row for row in checked.rows if row.number not in faulty], problems)


def _tell_problems(session: Session, checked: Checked) -> None:
    for line in show(checked.problems):
        session.tell(line)
    if checked.problems:
        faulty = len(faulty_rows(checked.problems))
        session.tell(f"Faulty rows: {faulty:,} of {faulty + len(checked.rows):,}.")


def _tell_outcomes(session: Session, stored: Sequence[Outcome], rows: Sequence[CheckedRow], *, dry_run: bool) -> None:
    """Say how many tickets were stored, and what a person may not expect about them."""
    count = Counter(outcome.result for outcome in stored)
    new = {outcome.row for outcome in stored if outcome.result == "created"}
    made = [row for row in rows if row.number in new]
    undated = sum("reception_date_time" not in row.given for row in made)
    completed = sum("completion_date" in row.values.keys() - row.given for row in made)
    there = count["already there"] + count["already there, differs"]
    created = "to create" if dry_run else "created"
    session.show(f"Tickets {created}: {len(made):,}. Already there, left alone: {there:,}.")
    for number, what in (
        (count["already there, differs"], "Already there, but not as in the file; an import changes no ticket"),
        (undated, "Without a reception date, for which now is used"),
        (completed, "Completed without a completion date, for which today is used"),
    ):
        if number:
            session.show(f"{what}: {number:,}.")
    if dry_run:
        session.show("Nothing was stored: this was a dry run.")


def _results(stored: Sequence[Outcome], *, dry_run: bool) -> list[tuple[int, str, str, str]]:
    """Return the lines of the report about rows that are not faulty."""
    created = "would be created" if dry_run else "created"
    return [(row, ours, theirs, created if result == "created" else result) for row, ours, theirs, result in stored]
