"""The table of tasks in docs/tools.md: what each takes, over both APIs and in both languages."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from tests.processes import ROOT
from tests.tasks.play import Outcome
from tests.tasks.task import Kind, Language, tasks

DOCUMENT: Final = ROOT / "docs" / "tools.md"
RUNS: Final[Sequence[tuple[Kind, Language]]] = (
    ("reference", "en"), ("existing", "en"), ("reference", "ja"), ("existing", "ja"),
)  # fmt: skip
HEAD: Final = (
    "| a person asks | calls | at most | tokens | existing API | Japanese | at most |\n"
    "|---|--:|--:|--:|--:|--:|--:|\n"
)
_TABLE: Final = re.compile(r"(?<=<!-- tasks: python -m tests.tasks -->\n).*?(?=<!-- /tasks -->)", re.DOTALL)
Runs = Mapping[tuple[Kind, Language], Sequence[tuple[Outcome, int]]]


def table(runs: Runs) -> str:
    """Return the Markdown table of outcomes."""
    cost = {run: {one.task.name: (one.calls, tokens) for one, tokens in outcomes} for run, outcomes in runs.items()}

    def tokens(kind: Kind, language: Language, name: str) -> str:
        found = cost.get((kind, language), {}).get(name)
        return "–" if found is None else f"{found[1]:,}"

    lines = []
    for task in tasks():
        calls, most = cost["reference", "en"][task.name][0], task.tokens("en")
        cells = (
            task.asks, calls, task.budget["calls"], tokens("reference", "en", task.name), f"{most:,}" if most else "–",
        )
        lines.append(cells)
    return HEAD + "".join(f"| {' | '.join(map(str, cells))} |\n" for cells in lines)


def write(text: str) -> None:
    """Put the table into the document."""
    DOCUMENT.write_text(_TABLE.sub(lambda _: text, DOCUMENT.read_text("utf-8")), "utf-8")
