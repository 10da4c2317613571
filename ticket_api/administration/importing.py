"""The commands `users import FILE.csv` and `accounts import FILE.csv`: all rows of a file in one transaction.

A row is known by its id; without one, a person by the e-mail address or else the name, an account by its name. A row
that is known is changed where its cells differ, cells that are blank change nothing. So a file may be imported again.
"""

import argparse
import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from pydantic import ValidationError
from sqlalchemy import RowMapping

from ticket_api.administration import writes
from ticket_api.administration.kinds import ACCOUNTS, USERS, Kind
from ticket_api.administration.session import Session
from ticket_api.http.refusals import describe
from ticket_api.importing.csv_reader import Column, CsvRow, CsvTable
from ticket_api.importing.options import FileOptions
from ticket_api.importing.problems import Problem, faulty_rows, show
from ticket_api.importing.report import write_report
from ticket_api.store import master_rows, numbers
from ticket_api.store.connection import TenantConnection
from ticket_api.store.search.folding import fold

COLUMNS: Final[Mapping[Kind, tuple[Column, ...]]] = MappingProxyType({
    USERS: (
        Column("id", ("User id", "ユーザーID", "利用者ID", "社員番号")),
        Column("name", ("Full name", "User", "User name", "名前", "氏名", "ユーザー名"), is_required=True),
        Column("email", ("Mail", "Mail address", "E-mail address", "メール", "メールアドレス")),
        Column("role", ("役割", "ロール", "担当")),
    ),
    ACCOUNTS: (
        Column("id", ("Account id", "Customer id", "取引先ID", "顧客ID", "取引先コード", "顧客コード")),
        Column(
            "name",
            ("Account", "Account name", "Customer", "Customer name", "Company", "取引先", "取引先名", "顧客", "顧客名",
             "会社名", "名前"),
            is_required=True,
        ),
        Column("orderNo", ("Order", "表示順", "並び順")),
    ),
})  # fmt: skip
"""The columns that a file of each kind may have."""
LONGEST_NUMBER: Final = 20
"""Digits; Python refuses to read thousands."""
OUTCOMES: Final[tuple[writes.Outcome, ...]] = ("added", "changed", "unchanged")
FAULTY: Final = 2
"""The exit code when a row is faulty and nothing was stored."""


class Result(NamedTuple):
    """What became of one row."""

    row: int
    id: str
    outcome: writes.Outcome


@dataclass(frozen=True, slots=True)
class Read:
    """A row whose cells are valid, as values by column of the table."""

    row: CsvRow
    values: dict[str, Any]


async def import_file(session: Session, options: argparse.Namespace) -> int:
    """Import a file; with a faulty row, nothing is stored unless that is asked for.

    Raises: CsvError, UnknownEncodingError, DatabaseBusyError.
    """
    kind: Kind = options.kind
    chosen = FileOptions.of(options)
    table = await asyncio.to_thread(chosen.read, COLUMNS[kind])
    rows, unread = _read(kind, table)

    def work(db: TenantConnection) -> tuple[list[Result], list[Problem]]:
        for row, read in sorted(_matched(db, kind, table, rows)[0], key=lambda pair: str(pair[0]["id"])):
            writes.note_rename(db, kind, row, read.values)
        numbers.hold(db)
        known, new, problems = _matched(db, kind, table, rows)
        problems = sorted([*unread, *problems], key=lambda problem: problem.row)
        if problems and not (chosen.skip_faulty or chosen.dry_run):
            return [], problems
        return [*_change(db, kind, known), *_add(db, kind, new)], problems

    results, problems = await session.write(work, dry_run=chosen.dry_run)
    await _tell(session, kind, chosen, results, problems)
    if chosen.report is not None:
        would = "would be " if chosen.dry_run else ""
        lines = [(one.row, "", one.id, f"{would}{one.outcome}") for one in results]
        await asyncio.to_thread(write_report, chosen.report, problems, lines)
    return FAULTY if problems and not chosen.skip_faulty else 0


def _read(kind: Kind, table: CsvTable) -> tuple[list[Read], list[Problem]]:
    """Return the rows whose cells the API would take, and the problems of the others."""
    rows, problems = [], list(table.problems)
    for row in table.rows:
        cells: dict[str, Any] = dict(row.cells)
        if (order := cells.get("orderNo", "")).isdecimal() and len(order) <= LONGEST_NUMBER:
            cells["orderNo"] = int(order)
        try:
            rows.append(Read(row, writes.values_of(kind.new.model_validate(cells))))
        except ValidationError as error:
            for one in error.errors():
                refusal = describe({**one, "loc": ("body", *one["loc"])})
                field = str(refusal.field)
                problems.append(table.problem(row, field, str(refusal).removeprefix(f"{field} ")))
    return rows, problems


def _matched(
    db: TenantConnection, kind: Kind, table: CsvTable, rows: Sequence[Read]
) -> tuple[list[tuple[RowMapping, Read]], list[Read], list[Problem]]:
    """Return the rows that are known, those that are new, and the problems of the others."""
    there = master_rows.every(db, kind.table)
    by_id = {row["id"]: row for row in there}
    by_key: defaultdict[str, list[RowMapping]] = defaultdict(list)
    for row in there:
        for column in ("email", "name"):
            if row.get(column):
                by_key[f"{column} {fold(row[column])}"].append(row)
    known, new, problems = [], [], []
    first: dict[str, int] = {}
    for read in rows:
        column = _known_by(read.values)
        key = f"{column} {read.values[column] if column == 'id' else fold(read.values[column])}"
        same = [row for row in [by_id.get(read.values["id"])] if row] if column == "id" else by_key.get(key, [])
        target = f"id {same[0]['id']}" if len(same) == 1 else key
        earlier = first.setdefault(target, read.row.number)
        if earlier != read.row.number:
            problems.append(table.problem(read.row, column, f"is that of row {earlier} too"))
        elif len(same) > 1:
            ids = ", ".join(row["id"] for row in same[:5])
            problems.append(table.problem(read.row, column, f"is that of several: {ids}; give the id"))
        elif same:
            known.append((same[0], read))
        else:
            new.append(read)
    return known, new, problems


def _known_by(values: Mapping[str, Any]) -> str:
    return next(column for column in ("id", "email", "name") if values.get(column))


def _change(db: TenantConnection, kind: Kind, known: Sequence[tuple[RowMapping, Read]]) -> Iterator[Result]:
    for row, read in known:
        values = {name: value for name, value in read.values.items() if name != "id"}
        yield Result(read.row.number, row["id"], writes.store_change(db, kind, row, values))


def _add(db: TenantConnection, kind: Kind, new: Sequence[Read]) -> Iterator[Result]:
    number = int(writes.next_id(db, kind).removeprefix(kind.prefix))
    taken = {read.values.get("id") for read in new}
    place = master_rows.last_place(db, kind.table) if "order_no" in kind.table.c else 0
    values = []
    for read in new:
        while f"{kind.prefix}{number}" in taken:
            number += 1
        id_ = read.values.get("id") or f"{kind.prefix}{number}"
        taken.add(id_)
        place += 1
        order = {"order_no": place} if "order_no" in kind.table.c else {}
        values.append({**kind.defaults, **order, **read.values, "id": id_})
        yield Result(read.row.number, id_, "added")
    master_rows.insert_all(db, kind.table, values)


async def _tell(
    session: Session, kind: Kind, chosen: FileOptions, results: Sequence[Result], problems: Sequence[Problem]
) -> None:
    for line in show(problems):
        session.tell(line)
    if problems:
        session.tell(f"Faulty rows: {len(faulty_rows(problems)):,}.")
    if problems and not (chosen.skip_faulty or chosen.dry_run):
        session.tell("Nothing was stored. Correct the file, or store the other rows with --skip-faulty.")
        return
    count = Counter(one.outcome for one in results)
    words = ("to add", "to change", "unchanged") if chosen.dry_run else OUTCOMES
    said = ", ".join(f"{count[outcome]:,} {word}" for outcome, word in zip(OUTCOMES, words, strict=True))
    session.show(f"{kind.path}: {said}")
    if not chosen.dry_run and count["added"] + count["changed"]:
        await session.audit("master_data_imported", kind.path, said)
        await session.finish_renames()
