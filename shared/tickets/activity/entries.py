"""History entries of several tickets, in the order in which they were made. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from shared.tickets.models import HistoryEntry, Ticket
from shared.tickets.paging.single_tickets import moment_of
from shared.tickets.sorting import Row, id_key

MOST_TICKETS: Final = 30
"""Changed tickets on one page."""
MOST_RECEIVED: Final = 15
"""New tickets on one page."""


class ChangeRequest(NamedTuple):
    """Which entries are wanted: from `since` to `until`, by a user, of tickets of a person or account."""

    since: datetime
    until: datetime | None = None
    user_id: str | None = None
    person_in_charge_id: str | None = None
    account_id: str | None = None
    cursor: str | None = None

    def is_wanted(self, entry: HistoryEntry) -> bool:
        """Return whether an entry was made in time, by the wanted user."""
        made = moment_of(entry.timestamp)
        in_time = made is not None and self.is_in_time(made)
        return in_time and self.user_id in {None, entry.user_id}

    def is_of(self, ticket: Ticket) -> bool:
        """Return whether a ticket is of the wanted person and account."""
        is_of_person = self.person_in_charge_id in {None, ticket.person_in_charge_id}
        return is_of_person and self.account_id in {None, ticket.account_id}

    def is_in_time(self, moment: datetime) -> bool:
        """Return whether a moment is in the period."""
        return self.since <= moment and (self.until is None or moment <= self.until)


class TicketEntry(NamedTuple):
    """An entry of a history, with the ticket that it belongs to."""

    ticket_id: str
    summary: str
    entry: HistoryEntry


class FoundEntries(NamedTuple):
    """A page of entries in the order in which they were made, and the tickets received in the same time."""

    entries: list[TicketEntry]
    next_cursor: str | None = None
    received: tuple[Row, ...] = ()
    """The first of them, the oldest first."""
    received_total: int | None = None
    """How many there are; None if they were not looked for."""
    notes: tuple[str, ...] = ()


class ChangeReader(Protocol):
    """Reads changes: `ChangeFeed` and `Histories` pass tests/shared/tickets/activity/test_changes.py."""

    async def read(self, request: ChangeRequest) -> FoundEntries:
        """Return a page. Raises: InvalidInputError: the cursor is not valid; UpstreamError: the API failed."""
        ...


def leading(entries: Iterable[TicketEntry]) -> tuple[list[TicketEntry], bool]:
    """Return the first entries, of at most `MOST_TICKETS` tickets, and whether there are more."""
    kept: list[TicketEntry] = []
    tickets: set[str] = set()
    for one in entries:
        if one.ticket_id not in tickets and len(tickets) == MOST_TICKETS:
            return kept, True
        tickets.add(one.ticket_id)
        kept.append(one)
    return kept, False


def oldest_received(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Return the first tickets by reception, as many as a page has."""
    ordered = sorted(rows, key=lambda row: (str(row.get("receptionDateTime")), id_key(row)))
    return tuple(ordered[:MOST_RECEIVED])
