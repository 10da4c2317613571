"""Converts database rows to the API's response models. Pure."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import RowMapping

from ticket_api.http.models.responses import Attachment, Change, ChangedField, HistoryEntry, Ticket, TicketRow
from ticket_api.times import show_minute, show_moment

_ROW: Final = tuple(str(field.alias) for field in TicketRow.model_fields.values())


def shape_row(row: Sequence[Any], today: date) -> dict[str, Any]:
    """Return a ticket as a list shows it: the fields of `TicketRow` by their names in JSON, in their order.

    Lists are read most, and making models of their rows takes as long as reading them.

    Args:
        row: one of `lists.TicketPage`, whose columns begin with the fields of `TicketRow`, in their order.
        today: by the clock of the office.
    """
    shown = dict(zip(_ROW, row, strict=False))
    due = shown["scheduledCompletionDate"]
    shown["receptionDateTime"] = show_minute(shown["receptionDateTime"])
    shown["scheduledCompletionDate"] = _show_day(due)
    shown["remainingDays"] = None if due is None or shown["completed"] else (due - today).days
    shown["completionDate"] = _show_day(shown["completionDate"])
    shown["updatedAt"] = show_moment(shown["updatedAt"])
    return shown


def shape_ticket(row: RowMapping, files: Sequence[RowMapping]) -> Ticket:
    """Return one ticket with its attachments."""
    return Ticket.model_validate(
        {
            **row,
            "reception_date_time": show_minute(row["reception_date_time"]),
            "scheduled_completion_date": _show_day(row["scheduled_completion_date"]),
            "completion_date": _show_day(row["completion_date"]),
            "actual_effort_hours": None
            if row["actual_effort_tenths"] is None
            else show_hours(row["actual_effort_tenths"]),
            "attachments": [
                Attachment.model_validate({**file, "uploaded_at": show_moment(file["uploaded_at"])}) for file in files
            ],
        }
    )


def shape_entry(entry: RowMapping, changed: Sequence[RowMapping]) -> HistoryEntry:
    """Return a history entry with its changed fields."""
    return HistoryEntry.model_validate(
        {
            **entry,
            "timestamp": show_moment(entry["timestamp"]),
            "visibility": "public" if entry["is_public"] else "internal",
            "changed_fields": [ChangedField.model_validate(field) for field in changed],
        }
    )


def shape_change(ticket: RowMapping, entry: RowMapping, changed: Sequence[RowMapping]) -> Change:
    """Return a history entry with its ticket."""
    about = {name: ticket[name] for name in ("summary", "account_id", "account_name")}
    return Change.model_validate({**dict(shape_entry(entry, changed)), "ticket_id": ticket["id"], **about})


def show_hours(tenths: int) -> str:
    """Return hours with one decimal, as the existing API's driver returns them."""
    return f"{tenths // 10}.{tenths % 10}"


def _show_day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
