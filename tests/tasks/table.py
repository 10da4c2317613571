"""The table of tasks in docs/tools.md: what each takes, over both APIs and in both languages."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from tests.processes import ROOT
from tests.tasks.play import Outcome
from tests.tasks.task import Kind, Language, Task, tasks

DOCUMENT: Final = ROOT / "docs" / "tools.md"
RUNS: Final[Sequence[tuple[Kind, Language]]] = (
    ("reference", "en"), ("existing", "en"), ("reference", "ja"), ("existing", "ja"),
)  # fmt: skip
COLUMNS: Final[Mapping[tuple[Kind, Language], int]] = {
    ("reference", "en"): 2,
    ("existing", "en"): 4,
    ("reference", "ja"): 5,
}
"""The column with the tokens of a run."""
HEAD: Final = (
    "| a person asks | calls | tokens | at most | existing API | Japanese | at most |\n|---|--:|--:|--:|--:|--:|--:|\n"
)
_TABLE: Final = re.compile(r"(?<=<!-- tasks: python -m tests.tasks -->\n).*?(?=<!-- /tasks -->)", re.DOTALL)
Runs = Mapping[tuple[Kind, Language], Sequence[tuple[Outcome, int]]]


def table(runs: Runs) -> str:
    """Return the Markdown table of outcomes."""
    tokens = {run: {one.task.name: count for one, count in outcomes} for run, outcomes in runs.items()}
    calls = {one.task.name: one.calls for one, _ in runs["reference", "en"]}

    def row(task: Task) -> str:
        took = [_number(tokens[run].get(task.name)) for run in COLUMNS]
        most = [_number(task.tokens("en")), _number(task.tokens("ja"))]
        return f"| {task.asks} | {calls[task.name]} | {took[0]} | {most[0]} | {took[1]} | {took[2]} | {most[1]} |\n"

    return HEAD + "".join(map(row, tasks()))


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def write(text: str) -> None:
    """Put the table into the document."""
    DOCUMENT.write_text(_TABLE.sub(lambda _: text, DOCUMENT.read_text("utf-8")), "utf-8")


def rows_in(document: str) -> list[str]:
    """Return the rows of the table in the document."""
    (found,) = _TABLE.findall(document)
    return found.removeprefix(HEAD).splitlines() if found.startswith(HEAD) else []


def cells_of(row: str) -> list[str]:
    """Return the cells of a row."""
    return row.strip("| ").split(" | ")
