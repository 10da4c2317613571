"""What the arguments of a list select, and which of them exclude each other (case T18)."""

from datetime import date
from typing import Any, Final

import pytest

from shared.errors import InvalidInputError, Problem
from shared.tickets.listing.filters import ListRequest, selection_of
from shared.tickets.models import MasterItem, Status
from shared.tickets.selection import TicketFilters, TicketSelection
from shared.tickets.statuses import completed_ids, marked

TODAY: Final = date(2026, 11, 29)
DEFAULTS: Final = {
    "mine": False,
    "open": False,
    "overdue": False,
    "showCompleted": True,
    "sortBy": "receptionDateTime",
    "sortOrder": "desc",
    "limit": 20,
    "offset": 0,
}
STATUSES: Final = (
    Status(id="stat1", name="New"),
    Status(id="stat4", name="Completed", completed=True),
    Status(id="stat9", name="Withdrawn", completed=True),
)
ME: Final = MasterItem(id="user3", name="Hana Whitfield")
HERE: Final = "rd:2026-11-20T03:04/TCK-1234"


def selected(**given: Any) -> TicketSelection:
    completed = completed_ids(STATUSES, "stat4")
    return selection_of(ListRequest(DEFAULTS | given, frozenset(given), STATUSES, completed, TODAY, ME))


def filters(**given: Any) -> TicketFilters:
    return selected(**given).filters


def problems(**given: Any) -> list[Problem]:
    with pytest.raises(InvalidInputError) as caught:
        selected(**given)
    return list(caught.value.problems)


def test_nothing_given_is_everything_latest_first() -> None:
    """The defaults of today are a promise: completed tickets are listed too."""
    assert selected() == TicketSelection(filters=TicketFilters())


FILTERS: Final[dict[str, tuple[dict[str, Any], TicketFilters]]] = {
    "mine": ({"mine": True}, TicketFilters(person_in_charge_id="user3")),
    "mine-and-me": ({"mine": True, "personInChargeId": "user3"}, TicketFilters(person_in_charge_id="user3")),
    "open": ({"open": True}, TicketFilters(completed=False)),
    "overdue": ({"overdue": True}, TicketFilters(completed=False, due_to="2026-11-28")),
    "overdue-before": (
        {"overdue": True, "scheduledCompletionDateTo": "2026-11-01"},
        TicketFilters(completed=False, due_to="2026-11-01"),
    ),
    "due-today": ({"dueWithin": 0}, TicketFilters(completed=False, due_from="2026-11-29", due_to="2026-11-29")),
    "due-within": ({"dueWithin": 3}, TicketFilters(completed=False, due_from="2026-11-29", due_to="2026-12-02")),
    "due-within-from": (
        {"dueWithin": 3, "scheduledCompletionDateFrom": "2026-12-01"},
        TicketFilters(completed=False, due_from="2026-12-01", due_to="2026-12-02"),
    ),
    "several-statuses": ({"statusId": ("stat1", "stat4")}, TicketFilters(status_ids=("stat1", "stat4"))),
    "open-in-a-status": ({"open": True, "statusId": ("stat1",)}, TicketFilters(completed=False, status_ids=("stat1",))),
    "ranges": (
        {"categoryId": "cat1", "receivedFrom": "2026-11-01", "receivedTo": "2026-11-02", "completedTo": "2026-11-03"},
        TicketFilters(
            category_id="cat1", received_from="2026-11-01", received_to="2026-11-02", completed_to="2026-11-03"
        ),
    ),
    "since": (
        {"updatedSince": "2026-11-28T15:00:00Z", "searchQuery": "vpn"},
        TicketFilters(updated_since="2026-11-28T15:00:00Z", search="vpn"),
    ),
}


@pytest.mark.parametrize("name", FILTERS)
def test_arguments_become_filters(name: str) -> None:
    given, wanted = FILTERS[name]

    assert filters(**given) == wanted


REFUSED: Final[dict[str, tuple[dict[str, Any], str, Any]]] = {
    "open-and-show-completed": ({"open": True, "showCompleted": True}, "showCompleted", {}),
    "overdue-and-show-completed": ({"overdue": True, "showCompleted": True}, "showCompleted", {}),
    "within-and-show-completed": ({"dueWithin": 1, "showCompleted": True}, "showCompleted", {}),
    "open-and-a-completed-status": ({"open": True, "statusId": ("stat4",)}, "statusId", None),
    "open-and-another-completed-status": ({"open": True, "statusId": ("stat9",)}, "statusId", None),
    "overdue-and-one-completed-status": (
        {"overdue": True, "statusId": ("stat1", "stat4")},
        "statusId",
        {"statusId": "stat1"},
    ),
    "completed-status-not-shown": (
        {"statusId": ("stat4",), "showCompleted": False},
        "showCompleted",
        {"showCompleted": True},
    ),
    "completed-from-not-shown": (
        {"completedFrom": "2026-11-01", "showCompleted": False},
        "showCompleted",
        {"showCompleted": True},
    ),
    "completed-from-and-open": ({"completedFrom": "2026-11-01", "open": True}, "completedFrom", None),
    "completed-to-and-overdue": ({"completedTo": "2026-11-01", "overdue": True}, "completedTo", None),
    "mine-and-another": ({"mine": True, "personInChargeId": "user2"}, "personInChargeId", None),
    "cursor-and-offset": ({"cursor": HERE, "offset": 20}, "offset", {}),
    "cursor-of-another-direction": ({"cursor": HERE, "sortOrder": "asc"}, "sortOrder", {"sortOrder": "desc"}),
    "cursor-of-another-date": (
        {"cursor": HERE, "sortBy": "completionDate"},
        "sortBy",
        {"sortBy": "receptionDateTime"},
    ),
    "no-cursor": ({"cursor": "page2"}, "cursor", {}),
    "overdue-from-today": (
        {"overdue": True, "scheduledCompletionDateFrom": "2026-11-29"},
        "scheduledCompletionDateFrom",
        None,
    ),
    "within-until-yesterday": (
        {"dueWithin": 3, "scheduledCompletionDateTo": "2026-11-28"},
        "scheduledCompletionDateTo",
        None,
    ),
    "within-from-later": (
        {"dueWithin": 3, "scheduledCompletionDateFrom": "2026-12-03"},
        "scheduledCompletionDateFrom",
        None,
    ),
    "too-many-statuses": ({"statusId": tuple(f"s{number}" for number in range(21))}, "statusId", None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_arguments_that_exclude_each_other_are_refused_by_name(name: str) -> None:
    given, field, right = REFUSED[name]

    (problem,) = problems(**given)

    assert (problem.field, problem.right) == (field, right)
    assert right is not None or problem.text.endswith("give one of them") or "at most" in problem.text


def test_every_contradiction_is_named_at_once() -> None:
    found = problems(
        open=True, showCompleted=True, statusId=("stat4",), completedTo="2026-11-01", mine=True, personInChargeId="u"
    )

    assert [one.field for one in found] == ["showCompleted", "statusId", "completedTo", "personInChargeId"]


def test_several_arguments_and_statuses_are_said_in_good_english() -> None:
    both = problems(open=True, overdue=True, statusId=("stat4", "stat9"))
    (hidden,) = problems(showCompleted=False, completedFrom="2026-11-01", completedTo="2026-11-02")

    assert [one.text for one in both] == [
        "stat4 (Completed), stat9 (Withdrawn) mean completed, and open: true and overdue: true leave completed tickets "
        "out; give one of them"
    ]
    assert "completedFrom: 2026-11-01 and completedTo: 2026-11-02 ask for them" in hidden.text


def test_overdue_and_due_soon_together_are_one_range() -> None:
    late, soon = problems(overdue=True, dueWithin=3)

    assert (late.right, soon.right) == ({"open": True}, {"scheduledCompletionDateTo": "2026-12-02"})
    assert filters(open=True, scheduledCompletionDateTo="2026-12-02").due_to == "2026-12-02"


def test_a_cursor_keeps_its_order_unless_another_is_asked_for() -> None:
    selection = selected(cursor="sa:/TCK-0001")

    assert (selection.sort_by, selection.descends) == ("scheduledCompletionDate", False)
    assert selected(cursor="sa:/TCK-0001", sortBy="scheduledCompletionDate", sortOrder="asc") == selection


def test_where_the_api_marks_no_status_the_configured_one_is_completed() -> None:
    plain = [Status(id="stat1", name="New"), Status(id="done", name="Done")]

    assert completed_ids(plain, "done") == {"done"}
    assert completed_ids(STATUSES, "done") == {"stat4", "stat9"}
    assert [one.completed for one in marked(plain, "done")] == [False, True]
