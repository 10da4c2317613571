"""What is wrong with a file of rows: each problem named by row, column, value and reason.

Rows are counted as a spreadsheet shows them: the headings are row 1, blank rows count, and a cell with line breaks is
one row however many lines it takes in a text editor.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

MOST_SHOWN: Final = 20
LONGEST_SHOWN: Final = 60


class Problem(NamedTuple):
    """Why a row cannot be stored; `column` is a heading of the file, or empty if the whole row is at fault."""

    row: int
    column: str
    value: str
    reason: str

    def __str__(self) -> str:
        """Return one line for the person who corrects the file."""
        where = f"Row {self.row}, {self.column}" if self.column else f"Row {self.row}"
        value = f" {shortened(self.value)!r}" if self.value else ""
        return f"{where}{value}: {self.reason}"


def shortened(value: str) -> str:
    """Return `value` at a length that fits a line."""
    return value if len(value) <= LONGEST_SHOWN else f"{value[: LONGEST_SHOWN - 1]}…"


def show(problems: Sequence[Problem]) -> list[str]:
    """Return the first problems, one line each, and how many more there are."""
    lines = [str(problem) for problem in problems[:MOST_SHOWN]]
    if len(problems) > MOST_SHOWN:
        lines.append(f"… and {len(problems) - MOST_SHOWN:,} more problems; --report FILE.csv has all of them.")
    return lines


def faulty_rows(problems: Iterable[Problem]) -> frozenset[int]:
    """Return the rows that have a problem."""
    return frozenset(problem.row for problem in problems)
