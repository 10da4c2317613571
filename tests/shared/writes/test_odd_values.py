r"""What is accepted and perhaps not meant is said in a note: dates out of order, `\n` in a text (case T14)."""

from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.models import Ticket
from shared.writes.odd_values import odd_values
from tests.shared.given import TICKET, World

AT: Final = TicketTime(datetime(2026, 11, 28, 22, 35, tzinfo=ZoneInfo("Asia/Tokyo")))
OPEN: Final = {"id": "TCK-0001", "receptionDateTime": "2026-11-20 09:30", "statusId": "stat1", "statusName": "New"}


def notes(given: dict[str, Any], held: dict[str, str] | None = None, at: TicketTime = AT) -> list[str]:
    """Return the notes on values that were stored in a ticket that also holds others."""
    fields = {name: value for name, value in given.items() if name != "comment"}
    return list(odd_values(given, Ticket.model_validate(OPEN | (held or {}) | fields), at, completed="stat4"))


@pytest.mark.parametrize(("given", "held", "note"), [
    ({"receptionDateTime": "2031-01-01 00:00"}, {}, "receptionDateTime 2031-01-01 00:00 is in the future."),
    ({"receptionDateTime": "2026-11-28 22:38"}, {}, "receptionDateTime 2026-11-28 22:38 is in the future."),
    ({"scheduledCompletionDate": "2026-11-27"}, {}, "scheduledCompletionDate 2026-11-27 is in the past."),
    ({"completionDate": "2099-01-01"}, {"statusId": "stat4"}, "completionDate 2099-01-01 is in the future."),
    ({"completionDate": "2026-11-21"}, {}, "completionDate is set, but the status is New."),
    ({"completionDate": "2026-11-19"}, {"statusId": "stat4"},
     "completionDate 2026-11-19 is before the reception on 2026-11-20."),
    ({"receptionDateTime": "2026-11-22 09:00"}, {"completionDate": "2026-11-21", "statusId": "stat4"},
     "completionDate 2026-11-21 is before the reception on 2026-11-22."),
    ({"scheduledCompletionDate": "2026-11-19"}, {"completionDate": "2026-11-21", "statusId": "stat4"},
     "scheduledCompletionDate 2026-11-19 is before the reception on 2026-11-20."),
    ({"statusId": "stat4"}, {}, "The ticket is completed but has no completion date; "
     "update_ticket(completionDate=YYYY-MM-DD) sets it."),
])  # fmt: skip
def test_an_odd_date_is_said(given: dict[str, Any], held: dict[str, str], note: str) -> None:
    assert notes(given, held) == [note]


@pytest.mark.parametrize(("given", "held"), [
    ({"receptionDateTime": "2026-11-28 22:36"}, {}),
    ({"receptionDateTime": "2026-11-20 09:30", "scheduledCompletionDate": "2026-11-28"}, {}),
    ({"scheduledCompletionDate": "2026-11-27"}, {"completionDate": "2026-11-26", "statusId": "stat4"}),
    ({"completionDate": "2026-11-28", "statusId": "stat4"}, {}),
    ({"summary": "Other"}, {"completionDate": "2099-01-01", "scheduledCompletionDate": "2001-01-01"}),
    ({"receptionDateTime": "2026-11-20 09:30"}, {"receptionDateTime": ""}),
])  # fmt: skip
def test_dates_in_order_and_dates_of_others_are_not(given: dict[str, Any], held: dict[str, str]) -> None:
    assert notes(given, held) == []


def test_the_future_begins_after_now_in_the_one_zone() -> None:
    """At 22:35 in Japan it is 13:35 on the clock of a ticket system in UTC."""
    there = TicketTime(AT.now, api_zone=UTC)

    assert notes({"receptionDateTime": "2026-11-28 13:35"}, at=there) == []
    assert notes({"receptionDateTime": "2026-11-28 22:35"}, at=there) == [
        "receptionDateTime 2026-11-29 07:35 is in the future."
    ]


@pytest.mark.parametrize(("text", "is_odd"), [
    (r"First line\nSecond line", True), (r"Ends with \n", True), (r"\n", True), (r"日本語\n二行目", True),
    ("First line\nSecond \\n line", False), (r"C:\new\notes.txt", False), (r"See \\server\new", False),
    (r"Open C:\new, then stop.\nDone", True), (r"\t only", False), ("plain", False),
])  # fmt: skip
@pytest.mark.parametrize("field", ["summary", "description", "comment", "remarks", "responseDetails"])
def test_a_line_break_that_was_written_out_is_said(field: str, text: str, is_odd: bool) -> None:
    said = f"{field} has \\n as two characters and no line break; send real line breaks if you meant those."

    assert notes({field: text}) == ([said] if is_odd else [])


async def test_each_write_says_it_and_does_it(existing: World) -> None:
    new = TICKET | {"receptionDateTime": "2031-01-01 00:00", "scheduledCompletionDate": "2001-01-01"}
    created = await existing.done("create_ticket", **new | {"completionDate": "2099-01-01", "description": r"a\nb"})
    ticket = {"ticketId": created["ticketId"]}
    updated = await existing.done("update_ticket", **ticket, updatedById="user2", scheduledCompletionDate="2002-02-02")
    added = await existing.done("add_ticket_history", **ticket, userId="user2", comment=r"c\nd")

    assert [note.split(" ")[0] for note in created["notes"]][:5] == [
        "receptionDateTime", "scheduledCompletionDate", "completionDate", "completionDate", "description",
    ]  # fmt: skip
    assert updated["notes"][-1] == "scheduledCompletionDate 2002-02-02 is before the reception on 2031-01-01."
    assert added["notes"][-1].startswith("comment has \\n as two characters")
