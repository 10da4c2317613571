"""Reads a CSV file into rows of named cells: `read_file`, then `read_csv`.

Encodings are those of `encodings`; cells are separated by commas, semicolons (Excel where the decimal sign is a comma)
or tabs, whichever the headings show. A quoted cell may contain separators and line breaks.
Headings are compared without case, width, blanks and punctuation, so `External ticket ID` and `external_ticket_id` are
one. A heading that is unknown, or names a column for the second time, is refused: dropping data needs to be said.
Source: RFC 4180.
"""

import csv
import difflib
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from ticket_api.importing.encodings import decode
from ticket_api.importing.problems import Problem, shortened
from ticket_api.store.search.folding import fold

LARGEST_FILE: Final = 64 * 1024 * 1024
MOST_ROWS: Final = 50_000
LONGEST_CELL: Final = 50_000
MOST_COLUMNS: Final = 200
MOST_TITLES: Final = 10
"""Rows above the headings, at most, that are distinguished from rows of a file without headings."""
SEPARATORS: Final = (",", ";", "\t")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class CsvError(ValueError):
    """The file as a whole cannot be read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a file may have: the API's field name, and other headings for it, in any language."""

    field: str
    headings: tuple[str, ...] = ()
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class CsvRow:
    """A row: its number in a spreadsheet, and its cells that are not blank, by field, without blanks at their ends."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CsvTable:
    """The rows of a file that can be read, the problems of the others, and what was found out about the file."""

    rows: tuple[CsvRow, ...]
    problems: tuple[Problem, ...]
    heading_of: Mapping[str, str]
    """The heading of each field, as the file has it."""
    encoding: str
    separator: str

    def problem(self, row: CsvRow, field: str, reason: str) -> Problem:
        """Return a problem of one cell, named by the heading that the file has for it."""
        return Problem(row.number, self.heading_of.get(field, field), row.cells.get(field, ""), reason)


def read_file(path: Path) -> bytes:
    """Return the content of a file of at most `LARGEST_FILE` bytes. Raises: CsvError."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise CsvError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > LARGEST_FILE:
        raise CsvError(f"{path} is larger than {LARGEST_FILE // 2**20} MiB. Split it; each part needs the headings.")
    return data


def read_csv(
    data: bytes, columns: Sequence[Column], *, encoding: str | None = None, ignored: Collection[str] = ()
) -> CsvTable:
    """Return the rows of a file whose first row has the headings. Blank rows are left out, but count.

    Args:
        data: the whole file.
        columns: the columns that it may have, and those it must have.
        encoding: a name of `encodings.ENCODINGS`; by default the one that the bytes show.
        ignored: headings of columns to leave out.

    Raises:
        CsvError: the file is empty, is no CSV, has too many rows or columns, or its headings are wrong.
        UnknownEncodingError: its encoding is not clear, or is not the one that was given.
    """
    text, found = decode(data, encoding)
    text, separator = _separator(text, columns)
    records = _records(text, separator)
    _, headings = next(records, (0, []))
    _refuse_titles(text, separator, columns)
    fields = _fields(headings, columns, ignored)
    rows: list[CsvRow] = []
    problems: list[Problem] = []
    for number, cells in records:
        if number > MOST_ROWS + 1:
            raise CsvError(f"The file has more than {MOST_ROWS:,} rows. Split it; each part needs the headings.")
        if not any(cell.strip() for cell in cells):
            continue
        wrong = _problems(number, cells, headings)
        problems += wrong
        if not wrong:
            named = {field: cell.strip() for field, cell in zip(fields, cells, strict=False) if field is not None}
            rows.append(CsvRow(number, {field: cell for field, cell in named.items() if cell}))
    if not rows and not problems:
        raise CsvError("The file has no rows below its headings.")
    heading_of: dict[str, str] = {
        field: heading for field, heading in zip(fields, headings, strict=True) if field is not None
    }
    return CsvTable(tuple(rows), tuple(problems), heading_of, found, separator)


def _separator(text: str, columns: Sequence[Column]) -> tuple[str, str]:
    """Return the text without Excel's line `sep=;`, and the separator with which most headings are known."""
    for separator in SEPARATORS:
        for end in ("\r\n", "\n"):
            if text.startswith(line := f"sep={separator}{end}"):
                return text.removeprefix(line), separator
    known = _known(columns)

    def headings(separator: str) -> int:
        try:
            _, cells = next(_records(text, separator), (0, []))
        except CsvError:  # quoted cells with another separator between them
            return -1
        return sum(_key(cell) in known for cell in cells)

    return text, max(SEPARATORS, key=headings)


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield every record with its row number. Raises: CsvError."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    number = 0
    while True:
        number += 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise CsvError(
                f"Row {number} is no CSV ({error}). Write a quotation mark inside a quoted cell twice, and close each "
                "quoted cell."
            ) from error
        yield number, record


def _refuse_titles(text: str, separator: str, columns: Sequence[Column]) -> None:
    """Check that the headings are not below a title, as in many spreadsheets. Raises: CsvError."""
    known = _known(columns)
    for number, cells in islice(_records(text, separator), MOST_TITLES + 1):
        fields = {known[key].field for cell in cells if (key := _key(cell)) in known}
        if fields.issuperset(column.field for column in columns if column.is_required):
            if number > 1:
                raise CsvError(f"The headings are in row {number}: delete the rows above it, they must be in row 1.")
            return


def _known(columns: Sequence[Column]) -> dict[str, Column]:
    return {_key(heading): column for column in columns for heading in (column.field, *column.headings)}


def _key(heading: str) -> str:
    """Return what of a heading counts: its letters and digits, folded."""
    return "".join(c for c in fold(heading) if c.isalnum() or c == "ー")


def _fields(headings: Sequence[str], columns: Sequence[Column], ignored: Collection[str]) -> list[str | None]:
    """Return the field of each heading, None for columns to leave out. Raises: CsvError with every wrong heading."""
    if not any(heading.strip() for heading in headings):
        raise CsvError("The first row of the file must have the headings, and it is blank.")
    if len(headings) > MOST_COLUMNS:
        raise CsvError(f"The file has more than {MOST_COLUMNS} columns.")
    known, left_out = _known(columns), {_key(heading) for heading in ignored}
    fields: list[str | None] = [None] * len(headings)
    wrong: list[str] = []
    for place, heading in enumerate(headings):
        if not heading.strip() or _key(heading) in left_out:
            continue
        column = known.get(_key(heading))
        if column is None:
            wrong.append(f"{shortened(heading)!r} is unknown{_hint(heading, known)}")
        elif column.field in fields:
            other = headings[fields.index(column.field)]
            wrong.append(f"{shortened(other)!r} and {shortened(heading)!r} both mean {column.field}")
        else:
            fields[place] = column.field
    missing = [column.field for column in columns if column.is_required and column.field not in fields]
    if missing:
        wrong.append(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    if wrong:
        raise CsvError(
            f"The headings do not fit: {'; '.join(wrong)}. Headings may be: "
            f"{', '.join(column.field for column in columns)}. Leave a column out with --ignore HEADING."
        )
    return fields


def _hint(heading: str, known: Mapping[str, Column]) -> str:
    near = difflib.get_close_matches(_key(heading), known, n=1)
    return f" (is it {known[near[0]].field}?)" if near else ""


def _problems(number: int, cells: Sequence[str], headings: Sequence[str]) -> list[Problem]:
    """Return what is wrong with a row whatever its columns mean."""
    if len(cells) > len(headings) and any(cell.strip() for cell in cells[len(headings) :]):
        reason = (
            f"has {len(cells)} cells, but there are {len(headings)} headings; put quotation marks around a cell that "
            "contains a separator"
        )
        return [Problem(number, "", "", reason)]
    problems = []
    for heading, cell in zip(headings, cells, strict=False):
        if len(cell) > LONGEST_CELL:
            problems.append(Problem(number, heading, cell, f"must have at most {LONGEST_CELL:,} characters"))
        elif cell.strip() and not heading.strip():
            problems.append(Problem(number, "", cell, "is in a column without a heading"))
        elif _CONTROL.search(cell):
            problems.append(Problem(number, heading, cell, "must not contain control characters"))
    return problems
