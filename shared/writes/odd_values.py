r"""Notes on values that are stored as given but were perhaps not meant: dates out of order, `\n` in a text. Pure.

They are no reason to refuse a write, because each can be right; a person should hear of them.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from shared.localization import localized
from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.models import Ticket

_TEXTS: Final = ("summary", "description", "comment", "responseDetails", "remarks")
_WINDOWS_PATH: Final = re.compile(r"(?:[A-Za-z]:|\\)\\\S*")
_BEFORE_RECEPTION: Final = "{name} {day} is before the reception on {received}."
_AHEAD: Final = timedelta(minutes=2)
"""How far a clock elsewhere may be ahead."""


def odd_values(given: Mapping[str, Any], ticket: Ticket, at: TicketTime, *, completed: str) -> Iterator[str]:
    """Yield a note for each odd value of a write.

    Args:
        given: the values of the call, by the API's field names.
        ticket: the ticket as stored.
        at: the time of the call.
        completed: id of the status that means completed.
    """
    yield from _odd_dates(given, ticket, at)
    if given.get("statusId") == completed and not ticket.completion_date:  # the existing API does not set it
        yield localized(
            "The ticket is completed but has no completion date; update_ticket(completionDate=YYYY-MM-DD) sets it."
        )
    if "completionDate" in given and ticket.completion_date and ticket.status_id != completed:
        status = ticket.status_name or ticket.status_id
        yield localized("completionDate is set, but the status is {status}.", status=status)
    for name in _TEXTS:
        if _is_escaped(given.get(name)):
            yield localized(
                "{name} has \\n as two characters and no line break; send real line breaks if you meant those.",
                name=name,
            )


def _odd_dates(given: Mapping[str, Any], ticket: Ticket, at: TicketTime) -> Iterator[str]:
    today = at.today.isoformat()
    received = at.shown_minute(ticket.reception_date_time or "")
    due, done = ticket.scheduled_completion_date or "", ticket.completion_date or ""
    if "receptionDateTime" in given and received > at.shown(at.now + _AHEAD):
        yield localized("receptionDateTime {moment} is in the future.", moment=received)
    if "scheduledCompletionDate" in given and due and not done and due < today:
        yield localized("scheduledCompletionDate {day} is in the past.", day=due)
    if given.keys() & {"receptionDateTime", "scheduledCompletionDate"} and due and due < received[:10]:
        yield localized(_BEFORE_RECEPTION, name="scheduledCompletionDate", day=due, received=received[:10])
    if "completionDate" in given and done > today:
        yield localized("completionDate {day} is in the future.", day=done)
    if given.keys() & {"receptionDateTime", "completionDate"} and done and done < received[:10]:
        yield localized(_BEFORE_RECEPTION, name="completionDate", day=done, received=received[:10])


def _is_escaped(text: object) -> bool:
    r"""Return whether a text has `\n` where a line break was perhaps meant; in a Windows path it is a folder."""
    return isinstance(text, str) and "\n" not in text and "\\n" in _WINDOWS_PATH.sub("", text)
