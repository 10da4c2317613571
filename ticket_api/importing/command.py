"""The command `tickets import FILE.csv`: reads and checks the whole file, then stores it in small transactions.

With a faulty row, nothing is stored unless that is asked for. The sentences are for the person at the terminal.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ticket_api.importing.checking import Checked, CheckedRow, RawRow
from ticket_api.importing.csv_reader import CsvTable
from ticket_api.importing.options import FileOptions
from ticket_api.importing.problems import Problem, faulty_rows, show
from ticket_api.importing.report import write_report
from ticket_api.importing.storing import Outcome
from ticket_api.importing.ticket_columns import COLUMNS, DateOrder, Form, read_cells
from ticket_api.importing.tickets import check_rows, store_rows
from ticket_api.tenancy import TenantDatabase

FAULTY: Final = 2
"""The exit code when a row is faulty and nothing was stored."""


@dataclass(frozen=True, slots=True)
class Import:
    """One run of the command: where it stores, and how it speaks to the person who started it."""

    tenants: TenantDatabase
    tenant: str
    now: datetime
    tell: Callable[[str], None]
    date_order: DateOrder | None = None

    async def run(self, options: FileOptions) -> int:
        """Import a file of tickets; return the exit code, and how many tickets were stored.

        Raises: CsvError, UnknownEncodingError, ImportStoppedError, DatabaseBusyError.
        """
        table = await asyncio.to_thread(options.read, COLUMNS)
        checked = await self._check(table)
        problems = checked.problems
        self._tell_problems(problems, checked.rows)
        stored: list[Outcome] = []
        if not problems or options.skip_faulty or options.dry_run:
            progress = self._progress(len(checked.rows), shows=not options.dry_run)
            stored = await store_rows(
                self.tenants, self.tenant, checked.rows, self.now, dry_run=options.dry_run, on_progress=progress
            )
            self._tell_outcomes(stored, checked.rows, dry_run=options.dry_run)
        else:
            self.tell("Nothing was stored. Correct the file, or store the other rows with --skip-faulty.")
        if options.report is not None:
            await asyncio.to_thread(write_report, options.report, problems, _results(stored, dry_run=options.dry_run))
        return FAULTY if problems and not options.skip_faulty else 0

    async def _check(self, table: CsvTable) -> Checked:
        """Return the rows that can be stored and every problem, with the headings of the file, in its order."""
        form = Form(self.now.date(), self.date_order, decimal_comma=table.separator == ";")
        rows: list[RawRow] = []
        unread = list(table.problems)
        for row in table.rows:
            values, wrong = read_cells(table, row, form)
            rows.append(RawRow(row.number, values))
            unread += wrong
        checked = await check_rows(self.tenants, self.tenant, rows, self.now)
        named = [one._replace(column=table.heading_of.get(one.column, one.column)) for one in checked.problems]
        problems = sorted([*unread, *named], key=lambda problem: problem.row)
        faulty = faulty_rows(unread)
        return Checked([row for row in checked.rows if row.number not in faulty], problems)

    def _tell_problems(self, problems: Sequence[Problem], rows: Sequence[CheckedRow]) -> None:
        for line in show(problems):
            self.tell(line)
        if problems:
            faulty = len(faulty_rows(problems))
            self.tell(f"Faulty rows: {faulty:,} of {faulty + len(rows):,}.")

    def _tell_outcomes(self, stored: Sequence[Outcome], rows: Sequence[CheckedRow], *, dry_run: bool) -> None:
        """Say how many tickets were stored, and what a person may not expect about them."""
        count = Counter(outcome.result for outcome in stored)
        new = {outcome.row for outcome in stored if outcome.result == "created"}
        made = [row for row in rows if row.number in new]
        undated = sum("reception_date_time" not in row.given for row in made)
        completed = sum("completion_date" in row.values.keys() - row.given for row in made)
        there = count["already there"] + count["already there, differs"]
        self.tell(
            f"Tickets {'to create' if dry_run else 'created'}: {len(made):,}. Already there, left alone: {there:,}."
        )
        for number, what in (
            (
                count["already there, differs"],
                "Already there, but not as in the file; an import changes no ticket",
            ),
            (undated, "Without a reception date, for which now is used"),
            (completed, "Completed without a completion date, for which today is used"),
        ):
            if number:
                self.tell(f"{what}: {number:,}.")
        if dry_run:
            self.tell("Nothing was stored: this was a dry run.")

    def _progress(self, of: int, *, shows: bool) -> Callable[[int], None]:
        def progress(done: int) -> None:
            if shows and sys.stderr.isatty():
                end = "\n" if done == of else ""
                print(f"\r{done:,} of {of:,}", end=end, file=sys.stderr, flush=True)  # noqa: T201 - a terminal

        return progress


def _results(stored: Sequence[Outcome], *, dry_run: bool) -> list[tuple[int, str, str, str]]:
    """Return the lines of the report about rows that are not faulty."""
    created = "would be created" if dry_run else "created"
    return [(row, ours, theirs, created if result == "created" else result) for row, ours, theirs, result in stored]
