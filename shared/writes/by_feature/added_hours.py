"""Hours that are added to those of a ticket.

A ticket API with the feature `effort-increment` adds them itself, so that no addition is lost. For others the sum is
computed here and written as a value; the result says so.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from shared.errors import Problem
from shared.localization import localized
from shared.mcp_tools.arguments.values import MAX_HOURS
from shared.tickets.models import Ticket
from shared.writes.verification import Increment

FIELD: Final = "actualEffortHours"


@dataclass(frozen=True, slots=True)
class AddedHours:
    """How hours are added: their part of the request body, the expected value, notes, and why they cannot be."""

    body: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def added_hours(ticket: Ticket, hours: float | None, *, can_add: bool) -> AddedHours:
    """Return how to add `hours` to those of `ticket`.

    Args:
        ticket: the ticket as read before.
        hours: more than 0, with one decimal; None: none.
        can_add: whether the ticket API adds them itself.
    """
    if hours is None:
        return AddedHours()
    if FIELD in ticket.unreadable and not can_add:
        text = localized("cannot be added, because the hours of {ticket} could not be read", ticket=ticket.id)
        return AddedHours(problems=(Problem("addEffortHours", text),))
    held = ticket.actual_effort_hours or 0.0
    total = round(held + hours, 1)
    if total > MAX_HOURS:
        text = localized(
            "makes {total:g} hours, and a ticket has at most {most:g}; it has {held:g}",
            total=total,
            most=MAX_HOURS,
            held=held,
        )
        return AddedHours(problems=(Problem("addEffortHours", text),))
    if can_add:
        return AddedHours({"addEffortHours": hours}, {FIELD: Increment(hours, total)})
    note = localized(
        "This ticket API cannot add hours: the sum is computed here and written, and hours that others add in the same "
        "moment would be lost."
    )
    return AddedHours({FIELD: total}, {FIELD: total}, (note,))
