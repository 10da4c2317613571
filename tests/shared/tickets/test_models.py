"""Both APIs fit the models; a value that fits no model is the API's fault."""

from typing import Any

import pytest

from shared.errors import UpstreamFaultError
from shared.tickets.models import ChangedField, HistoryEntry, Ticket, TicketRow, User, parse_many, parse_one
from shared.upstream.body_text import read_json


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Tue Dec 01 2026 00:00:00 GMT+0000 (Coordinated Universal Time)", "2026-12-01"),
        ("Wed Feb 29 2028 00:00:00 GMT+0900 (日本標準時)", "2028-02-29"),
        ("Tue Dec 01 2026 00:00:00 GMT+0000", "2026-12-01"),
        ("2026-12-01", "2026-12-01"),
        ("Tue is fine", "Tue is fine"),
        (None, None),
        (3.5, "3.5"),
        (True, "true"),
        ({"a": "ü"}, '{"a": "ü"}'),
    ],
)
def test_a_changed_value_reads_as_people_write_it(sent: Any, kept: str | None) -> None:
    change = parse_one(ChangedField, {"fieldName": "scheduledCompletionDate", "oldValue": sent})

    assert change.old_value == kept
    assert change.new_value is None


@pytest.mark.parametrize("hours", ["3.5", 3.5])
def test_hours_may_be_text_or_a_number(hours: Any) -> None:
    assert parse_one(Ticket, {"id": "T", "actualEffortHours": hours}).actual_effort_hours == 3.5


def test_unknown_fields_are_ignored_and_missing_ones_are_none() -> None:
    row = parse_one(TicketRow, {"ticketId": "TCK-0001", "colour": "red", "remainingDays": "-3"})

    assert row.remaining_days == -3
    assert row.summary is None


def test_a_number_where_text_is_usual_is_taken_as_text() -> None:
    entry = parse_one(HistoryEntry, {"id": 7, "changedFields": [{"fieldName": "a"}]})

    assert entry.id == "7"


@pytest.mark.parametrize("sent", [None, "text", 5, {"id": "u"}, [5], [{"name": "no id"}], [{"id": {}, "name": "n"}]])
def test_what_does_not_fit_is_a_fault_of_the_api(sent: Any) -> None:
    with pytest.raises(UpstreamFaultError, match="does not fit the request"):
        parse_many(User, sent)


def test_half_a_surrogate_pair_cannot_spoil_an_answer() -> None:
    row = parse_one(TicketRow, read_json(rb'{"ticketId": "TCK-0001", "summary": "broken \ud83d emoji \ud83d\ude00"}'))

    assert row.summary == "broken ? emoji 😀"
    row.model_dump_json()
