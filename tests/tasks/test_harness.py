"""The tasks are well-formed, and a task that is not done is noticed."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from shared.mcp_tools.catalog import TOOLS
from shared.mcp_tools.schema import schema_of
from tests.tasks.play import at_path
from tests.tasks.rows import FIELDS, Rows
from tests.tasks.table import DOCUMENT, cells_of, rows_in
from tests.tasks.task import ME, tasks
from tests.tasks.verify import fits, problems

TICKET: Final = dict.fromkeys(FIELDS) | {
    "statusId": "stat2",
    "personInChargeId": ME,
    "receptionDateTime": "2026-11-20 09:00",
}
NOTE: Final = {"comment": "Done.", "userId": ME, "visibility": "internal", "timestamp": "2026-11-29T02:30:00.000Z"}
BUDGETS: Final = {  # calls and tokens that were promised for these
    "plate": (1, 350), "triage": (3, None), "duplicates": (1, 300), "create_from_mail": (2, None),
    "hand_over": (2, 450), "close_six": (2, 500), "weekly_report": (1, 300), "since_monday": (1, 1_500),
}  # fmt: skip


def stored(ticket: Mapping[str, Any], *entries: Mapping[str, Any], new: Mapping[str, Any] | None = None) -> Rows:
    """Return what is stored: a ticket, its history, and perhaps a second ticket."""
    tickets = {"TCK-0001": dict(ticket)} | ({} if new is None else {"TCK-0002": dict(new)})
    return Rows({}, tickets, {"TCK-0001": [dict(entry) for entry in entries]})


def test_every_step_calls_a_tool_with_arguments_that_it_has() -> None:
    arguments = {spec.name: set(schema_of(spec.input_model)["properties"]) for spec in TOOLS}
    for task in tasks():
        for step in [*task.way, *task.existing.get("way", ())]:
            if "tool" in step:
                assert set(step.get("arguments", {})) <= arguments[step["tool"]], task.name


def test_the_tasks_with_promised_budgets_have_them() -> None:
    given = {task.name: (task.budget["calls"], task.budget.get("tokens")) for task in tasks()}

    assert len(given) >= 30
    for name, (calls, tokens) in BUDGETS.items():
        assert given[name][0] == calls
        assert tokens is None or given[name][1] == tokens


def test_every_task_says_what_must_be_shown_or_stored() -> None:
    silent = [task.name for task in tasks() if not (task.shows or task.changes or task.creates)]

    assert [name for name in silent if all("refused" not in step for step in _task(name).way)] == []


def _task(name: str) -> Any:
    return next(task for task in tasks() if task.name == name)


@pytest.mark.parametrize(
    ("after", "said", "wrong"),
    [
        (stored(TICKET | {"statusId": "stat4"}, NOTE), "TCK-0001", ""),
        (stored(TICKET, NOTE), "TCK-0001", "statusId is 'stat2', not 'stat4'"),
        (stored(TICKET | {"statusId": "stat4", "remarks": "x"}, NOTE), "TCK-0001", "remarks is 'x', not None"),
        (stored(TICKET | {"statusId": "stat4"}), "TCK-0001", "comments [] were added"),
        (stored(TICKET | {"statusId": "stat4"}, NOTE, NOTE), "TCK-0001", "comments"),
        (stored(TICKET | {"statusId": "stat4"}, NOTE | {"userId": "user1"}), "TCK-0001", "comments"),
        (stored(TICKET | {"statusId": "stat4"}, NOTE | {"visibility": "public"}), "TCK-0001", "comments"),
        (stored(TICKET | {"statusId": "stat4"}, NOTE, new=TICKET), "TCK-0001", "1 tickets were created, not 0"),
        (stored(TICKET | {"statusId": "stat4"}, NOTE), "TCK-0001, TCK-0002", "named for nothing: ['TCK-0002']"),
        (stored(TICKET | {"statusId": "stat4"}, NOTE), "Nothing.", "not named: ['TCK-0001']"),
    ],
)
def test_what_is_not_as_promised_is_noticed(after: Rows, said: str, wrong: str) -> None:
    change = {"tickets": {"open": True}, "set": {"statusId": "stat4"}, "comment": "Done."}
    promised = {"shows": {"tickets": ["TCK-0001"]}, "changes": [change], "creates": []}

    found = problems(promised, stored(TICKET), after, [said], [])

    assert (wrong in found[0]) if wrong else found == []


@pytest.mark.parametrize(
    ("where", "is_one"),
    [
        ({"open": True, "statusId": "stat2"}, True),
        ({"open": False}, False),
        ({"overdue": True}, False),
        ({"receivedFrom": "2026-11-20", "receivedTo": "2026-11-20"}, True),
        ({"receivedTo": "2026-11-19"}, False),
        ({"completedFrom": "2026-01-01"}, False),
        ({"changedFrom": "2026-11-28"}, True),
        ({"changedFrom": "2026-11-28", "changedBy": "user1"}, False),
    ],
)
def test_tickets_are_chosen_by_what_is_stored(where: Mapping[str, Any], is_one: bool) -> None:
    assert fits(TICKET, [NOTE], where) is is_one


def test_values_are_taken_from_earlier_results() -> None:
    page = {"columns": ["ticketId", "statusName"], "rows": [["TCK-0001", "New"], ["TCK-0002", "New"]], "entries": [3]}

    assert at_path(page, ["rows", "1", "ticketId"]) == "TCK-0002"
    assert at_path(page, ["entries", "0"]) == 3


def test_the_document_has_a_row_for_each_task() -> None:
    named = [cells_of(row)[0] for row in rows_in(DOCUMENT.read_text("utf-8"))]

    assert named == [task.asks for task in tasks()], "run `python -m tests.tasks`"
