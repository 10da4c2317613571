"""Shows what changed as a table: a row for each ticket, or for each entry of one ticket. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from shared.localization import localized
from shared.tickets.activity.entries import MOST_RECEIVED, FoundEntries, TicketEntry
from shared.tickets.activity.net_changes import Names, authors_of, changes_of
from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.models import HistoryEntry
from shared.tickets.parts import beginning
from shared.tickets.results import Cell
from shared.tickets.sorting import Row

MAX_SUMMARY: Final = 60
MAX_COMMENT: Final = 120
_OF_TICKETS: Final = ("ticketId", "summary", "changes", "comments", "by", "last")
_OF_ENTRIES: Final = ("last", "by", "changes", "comment")


class ChangeTable(NamedTuple):
    """The names of columns, and their values row by row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    received: int = 0
    """How many of the rows are of tickets received in this time."""


class ChangeTables:
    """Makes the tables of one call: names behind ids are those of `names`, moments are in the zone of `at`."""

    def __init__(self, names: Names, at: TicketTime) -> None:
        self._names = names
        self._at = at

    def of_entries(self, found: FoundEntries) -> ChangeTable:
        """Return a row for each entry."""
        return ChangeTable(_OF_ENTRIES, tuple(self._entry_row(one.entry) for one in found.entries))

    def of_tickets(self, found: FoundEntries) -> ChangeTable:
        """Return a row for each ticket, in the order of its last change; then new tickets without one."""
        by_ticket: dict[str, list[TicketEntry]] = {}
        for one in found.entries:
            by_ticket[one.ticket_id] = [*by_ticket.pop(one.ticket_id, ()), one]
        received = {str(row["ticketId"]): row for row in found.received}
        changed = [self._ticket_row(entries, is_new=ticket in received) for ticket, entries in by_ticket.items()]
        new = [row for ticket, row in received.items() if ticket not in by_ticket][:MOST_RECEIVED]
        rows = (*changed, *map(self._received_row, new))
        return ChangeTable(_OF_TICKETS, rows, received=len(received.keys() & by_ticket.keys()) + len(new))

    def _ticket_row(self, entries: Sequence[TicketEntry], *, is_new: bool) -> tuple[Cell, ...]:
        own = [one.entry for one in entries]
        said = [localized("received")] if is_new else []
        return (
            entries[0].ticket_id,
            beginning(entries[-1].summary, MAX_SUMMARY),
            localized("; ").join(filter(None, [*said, changes_of(own, self._names)])) or None,
            sum(_has_comment(entry) for entry in own) or None,
            authors_of(own, self._names),
            self._at.shown_moment(own[-1].timestamp or ""),
        )

    def _received_row(self, row: Row) -> tuple[Cell, ...]:
        summary, received = str(row.get("summary") or ""), str(row.get("receptionDateTime") or "")
        shown = beginning(summary, MAX_SUMMARY)
        return str(row["ticketId"]), shown, localized("received"), None, None, self._at.shown_minute(received)

    def _entry_row(self, entry: HistoryEntry) -> tuple[Cell, ...]:
        return (
            self._at.shown_moment(entry.timestamp or ""),
            self._names.of_author(entry),
            changes_of([entry], self._names) or None,
            beginning(entry.comment or "", MAX_COMMENT) or None,
        )


def _has_comment(entry: HistoryEntry) -> bool:
    return bool(entry.comment and entry.comment.strip())
