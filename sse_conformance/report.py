"""The results of a run, for people (a table), for programs (JSON) and for scripts (an exit code). Pure."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from sse_conformance.verdict import Level, Outcome, ScenarioResult

PASSED: Final = 0
FAILED: Final = 1
UNREACHABLE: Final = 2
_MARKS: Final = {ScenarioResult.PASSED: "passed", ScenarioResult.FAILED: "FAILED", ScenarioResult.NOT_APPLICABLE: "n/a"}


def exit_code(outcomes: Iterable[Outcome], *, promises: bool) -> int:
    """Return FAILED if a MUST failed or, with `promises`, a promise; else PASSED. A SHOULD never counts."""
    counted = {Level.MUST, Level.PROMISE} if promises else {Level.MUST}
    failed = any(one.result is ScenarioResult.FAILED and one.scenario.level in counted for one in outcomes)
    return FAILED if failed else PASSED


def table(outcomes: Sequence[Outcome]) -> str:
    """Return one line per outcome, followed by the totals of each level."""
    rows = [
        (one.scenario.name, str(one.scenario.level), one.scenario.source, _MARKS[one.result], one.why)
        for one in outcomes
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    lines = ["  ".join([*map(str.ljust, row[:4], widths), row[4]]).rstrip() for row in rows]
    return "\n".join([*lines, "", *_sums(outcomes)])


def _sums(outcomes: Iterable[Outcome]) -> list[str]:
    counts = Counter((one.scenario.level, one.result) for one in outcomes)
    return [
        f"{level:8}" + ", ".join(f"{counts[level, result]} {result}" for result in ScenarioResult)
        for level in Level
        if any(counts[level, result] for result in ScenarioResult)
    ]


def as_json(outcomes: Iterable[Outcome]) -> str:
    """Return a JSON list of objects with name, level, source, result and why."""
    rows = [
        {
            "name": one.scenario.name,
            "level": one.scenario.level,
            "source": one.scenario.source,
            "result": one.result,
            "why": one.why,
        }
        for one in outcomes
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False)
