"""What an import did, as a file: a line for each problem, and for each row what became of it.

The file opens in a spreadsheet: UTF-8 with a byte order mark, and no cell that it would take for a formula.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from ticket_api.importing.csv_reader import CsvError
from ticket_api.importing.problems import Problem, shortened

HEADINGS: Final = ("row", "result", "id", "storedAs", "column", "value", "reason")
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")


def write_report(path: Path, problems: Sequence[Problem], outcomes: Iterable[tuple[int, str, str, str]]) -> None:
    """Write the report of an import, in the order of the rows.

    `outcomes` are the row, the id in the file, the id in this system, and a word for what became of the row.

    Raises:
        CsvError: the file cannot be written.
    """
    lines: list[tuple[int, tuple[str, ...]]] = [
        (row, (result, external_id, stored_as, "", "", "")) for row, external_id, stored_as, result in outcomes
    ]
    lines += [
        (problem.row, ("faulty", "", "", problem.column, shortened(problem.value), problem.reason))
        for problem in problems
    ]
    try:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADINGS)
            writer.writerows((row, *map(_as_text, cells)) for row, cells in sorted(lines, key=lambda line: line[0]))
    except OSError as error:
        raise CsvError(f"The report {path} cannot be written: {error.strerror}.") from error


def _as_text(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell
