"""Reads what changed in one ticket, over any ticket API: its history is read as a whole."""

import re
from typing import Final

from shared.api_client import APIClient
from shared.errors import InvalidInputError
from shared.tickets.activity.entries import ChangeRequest, FoundEntries, TicketEntry
from shared.tickets.paging.cursor import not_a_cursor
from shared.tickets.reading import read_ticket
from shared.tickets.ticket_ids import read_named
from shared.tickets.unreadable import left_out_notes

MOST_ENTRIES: Final = 40
"""Entries on one page."""
_CURSOR: Final = re.compile(r"from:(\d{1,9})", re.ASCII)


async def entries_of(api: APIClient, given: str, request: ChangeRequest) -> FoundEntries:
    """Return a page of the entries of the ticket that `given` names, the oldest first.

    A history only grows, at its end, so a cursor is the number of entries before the page.

    Raises:
        InvalidInputError: the cursor is not valid, or several tickets may be meant.
        NotFoundError: there is no such ticket.
        UpstreamError: the API failed.
    """
    first = _first(request.cursor)
    ticket, history = await read_named(read_ticket, api, given)
    wanted = [entry for entry in reversed(history) if request.is_wanted(entry)] if request.is_of(ticket) else []
    page = wanted[first : first + MOST_ENTRIES]
    end = first + len(page)
    cursor = f"from:{end}" if page and end < len(wanted) else None
    entries = [TicketEntry(ticket.id, ticket.summary or "", entry) for entry in page]
    return FoundEntries(entries, cursor, notes=left_out_notes(history.left_out))


def _first(cursor: str | None) -> int:
    """Return how many entries are before the page. Raises: InvalidInputError."""
    if cursor is None:
        return 0
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise InvalidInputError.of([not_a_cursor()])
    return int(found[1])
