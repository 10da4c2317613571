"""What a run proved or disproved, from the database and from what the clients saw."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

import asyncpg

from tests.chaos.callers import PATIENCE_S, Report
from tests.chaos.script import CREATIONS, TYPESCRIPT
from tests.chaos.storm import Outcome

SHOWN: Final = 5
LONGEST_KIND: Final = 50
_SUMMARIES: Final = "SELECT summary AS text FROM tickets WHERE summary LIKE 'mark%'"
_COMMENTS: Final = "SELECT comment AS text FROM ticket_history WHERE comment LIKE 'mark%'"


@dataclass(frozen=True)
class Written:
    """How often each text of the callers is in the database."""

    summaries: Counter[str]
    comments: Counter[str]


async def written(dsn: str) -> Written:
    """Read what the callers wrote, all of them as the tenant `default`."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute("SELECT set_config('app.tenant_id', 'default', false)", timeout=10)
        found = [await connection.fetch(query, timeout=10) for query in (_SUMMARIES, _COMMENTS)]
    finally:
        await connection.close(timeout=10)
    summaries, comments = (Counter(str(row["text"]) for row in rows) for rows in found)
    return Written(summaries, comments)


class Verdict:
    """The promises, each as the list of what breaks it; all of them empty is what is wanted."""

    def __init__(self, outcome: Outcome, database: Written, carried_out: Counter[str]) -> None:
        self._outcome = outcome
        self._calls = {(s.caller, call.number): call for s in outcome.callers.scripts for call in s.calls}
        self._marks = {script.caller: script.mark for script in outcome.callers.scripts}
        reports = outcome.callers.reports
        theirs = [caller for caller, _ in self._calls if caller.startswith("typescript")]
        first = [one for one in reports if one.attempt == 1 and one.caller.startswith("typescript")]
        self.failed = Counter(one.kind for one in first if not one.ok)
        self._unresolved = len(theirs) - sum(one.ok for one in first)
        self.resolved = 1 - self._unresolved / len(theirs)
        self.repeats = sum(one.attempt == 2 for one in reports)
        self.slowest = max(one.seconds for one in reports)
        self.once = sum(database.summaries[text] == 1 for text in self._texts("create_ticket"))
        self.broken: dict[str, list[str]] = {
            "no call was running at a fault": [fault for fault, running in outcome.running if not running],
            "not once in the database": [
                *self._not_once("create_ticket", database.summaries),
                *self._not_once("add_ticket_history", database.comments),
            ],
            "carried out more often than asked": self._done_too_often(carried_out),
            f"unresolved after {PATIENCE_S:g} s": [_name(one) for one in reports if one.unresolved],
            "a foreign or wrong answer": [_name(one) for one in reports if self._is_foreign(one)],
            "two different answers": outcome.callers.contradictions,
            "an instance did not do as promised": outcome.broken,
            "more TypeScript calls failed than faults can hit": (
                [] if self._hit_at_most(outcome) else [f"{self.resolved:.1%} resolved: {dict(self.failed)}"]
            ),
        }

    def _hit_at_most(self, outcome: Outcome) -> bool:
        """Whether no more calls failed, repeats not counted, than ran at faults: each caller makes one at a time."""
        return self._unresolved <= TYPESCRIPT * len(outcome.running)

    def problems(self) -> list[str]:
        """Return one sentence for each promise that was broken."""
        return [f"{promise}: {_some(found)}" for promise, found in self.broken.items() if found]

    def _texts(self, tool: str) -> list[str]:
        return [call.expects for call in self._calls.values() if call.tool == tool]

    def _not_once(self, tool: str, found: Counter[str]) -> list[str]:
        """Return what is there twice, and what is not there although it was not refused twice."""
        refused = {
            self._calls[one.caller, one.number].expects
            for one in self._outcome.callers.reports
            if one.attempt == 2 and not one.ok and not one.unresolved
        }
        wrong = {
            text: found[text] for text in self._texts(tool) if found[text] > 1 or found[text] + (text in refused) < 1
        }
        return [f"“{text}” {times}×" for text, times in wrong.items()]

    def _done_too_often(self, carried_out: Counter[str]) -> list[str]:
        asked = Counter(self._calls[one.caller, one.number].key for one in self._outcome.callers.reports)
        return [f"{key} {carried_out[key]}×, asked {n}×" for key, n in asked.items() if key and carried_out[key] > n]

    def _is_foreign(self, report: Report) -> bool:
        said = str(report.result or report.error)
        others = (mark for caller, mark in self._marks.items() if caller != report.caller)
        expected = self._calls[report.caller, report.number].expects
        return any(mark in said for mark in others) or (report.ok and expected not in said)

    def row(self) -> str:
        """Return the run as a row of `TABLE`."""
        faults = ", ".join(f"{fault} ({running})" for fault, running in self._outcome.running)
        failures = ", ".join(f"{n}× {kind[:LONGEST_KIND]}" for kind, n in self.failed.most_common())
        cells = (
            str(self._outcome.seed),
            faults,
            f"{self.once}/{CREATIONS}",
            f"{self.resolved:.1%}" + (f" ({failures})" if failures else ""),
            str(self.repeats),
            *(str(len(self.broken[name])) for name in self.broken if name.startswith(("unresolved", "a foreign"))),
            f"{self.slowest:.1f} s",
            f"{self._outcome.seconds:.0f} s",
            "kept" if not self.problems() else "**BROKEN**",
        )
        return f"| {' | '.join(cells)} |"


TABLE: Final = (
    "| seed | faults (calls running) | created once | TypeScript calls resolved | repeats | unresolved | foreign "
    "| slowest call | run | promises |\n|---|---|---|---|---|---|---|---|---|---|"
)


def _some(found: list[str]) -> str:
    more = len(found) - SHOWN
    return ", ".join(found[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _name(report: Report) -> str:
    return f"{report.caller} call {report.number} attempt {report.attempt} ({report.kind})"
