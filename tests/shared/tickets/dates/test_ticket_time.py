"""Results have one zone, and days are counted in it (cases T11 and U10)."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from shared.tickets.dates.dated import dated, dated_row
from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.models import Attachment, HistoryEntry, MasterItem, Ticket, TicketRow
from shared.tickets.results import TicketDetail

TOKYO: Final = ZoneInfo("Asia/Tokyo")
NOW: Final = datetime(2026, 11, 28, 16, 30, tzinfo=UTC)
AT: Final = TicketTime(NOW.astimezone(TOKYO))
FROM_UTC: Final = TicketTime(NOW.astimezone(TOKYO), api_zone=UTC)


def test_the_minute_of_a_result_names_its_zone() -> None:
    assert AT.as_of == "2026-11-29 01:30 JST"
    assert str(AT.today) == "2026-11-29"
    assert not AT.api_is_on_another_day
    assert FROM_UTC.api_is_on_another_day
    assert TicketTime.of_machine().now.tzinfo is not None


@pytest.mark.parametrize(("text", "shown"), [
    ("2026-11-28T13:20:18.311Z", "2026-11-28 22:20"), ("2026-11-28T13:20:18Z", "2026-11-28 22:20"),
    ("2026-11-28 13:20", "2026-11-28 22:20"), ("2026-11-28T13:20:18+0100", "2026-11-28 21:20"),
    ("2026-11-28", "2026-11-28"), ("yesterday", "yesterday"), ("", ""), ("2026-02-30T10:00Z", "2026-02-30T10:00Z"),
    ("9999-12-31T23:00Z", "9999-12-31T23:00Z"),
])  # fmt: skip
def test_a_moment_is_shown_in_the_zone_and_other_texts_as_they_are(text: str, shown: str) -> None:
    assert AT.shown_moment(text) == shown


def test_a_wall_clock_minute_moves_only_if_the_ticket_system_is_elsewhere() -> None:
    assert AT.shown_minute("2026-11-28 22:50") == "2026-11-28 22:50"
    assert FROM_UTC.shown_minute("2026-11-28 22:50") == "2026-11-29 07:50"


def test_every_moment_of_a_result_is_in_the_one_zone() -> None:
    detail = TicketDetail(
        ticket=Ticket(
            id="TCK-0001",
            reception_date_time="2026-11-28 13:20",
            scheduled_completion_date="2026-11-30",
            attachments=(Attachment(file_name="a", uploaded_at="2026-11-28T13:20:18.311Z"),),
        ),
        history=(HistoryEntry(id="1", timestamp="2026-11-28T13:20:18.311Z"), HistoryEntry(id="2")),
        history_total=2,
    )

    shown = dated(detail, FROM_UTC, MasterItem(id="user4", name="Hana Whitfield"), is_named=False)

    assert shown.structured() == {
        "asOf": "2026-11-29 01:30 JST",
        "actingUser": "Hana Whitfield (user4)",
        "ticket": {
            "id": "TCK-0001",
            "receptionDateTime": "2026-11-28 22:20",
            "scheduledCompletionDate": "2026-11-30",
            "attachments": [{"fileName": "a", "uploadedAt": "2026-11-28 22:20"}],
        },
        "history": [{"id": "1", "timestamp": "2026-11-28 22:20"}, {"id": "2"}],
        "historyTotal": 2,
    }


@pytest.mark.parametrize(("due", "sent", "status", "left"), [
    ("2026-11-30", 0, "New", 1), ("2026-11-29", -1, "New", 0), ("2026-11-28", 0, "New", -1),
    ("2026-11-30T00:00:00.000Z", 0, "New", 1), ("2026-11-28", -1, "Completed", None), ("2026-11-28", None, "New", None),
    (None, None, "New", None), ("soon", 3, "New", None),
])  # fmt: skip
def test_days_left_are_calendar_days_of_the_one_zone(
    due: str | None, sent: int | None, status: str, left: int | None
) -> None:
    row = TicketRow(
        ticket_id="TCK-0001", scheduled_completion_date=due, remaining_days=sent, status_name=status,
        reception_date_time="2026-11-28 22:50",
    )  # fmt: skip

    shown = dated_row(row, FROM_UTC, "Completed", ("receptionDateTime",))

    assert (shown.remaining_days, shown.reception_date_time) == (left, "2026-11-29 07:50")
