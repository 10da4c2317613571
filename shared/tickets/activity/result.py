"""The result of `get_ticket_changes`."""

from shared.tickets.results import Table


class TicketChanges(Table):
    """What changed: a row for each ticket, or for each entry of the history of one ticket, oldest first.

    If there are more, `next_cursor` says where they begin.
    """

    since: str
    until: str | None = None
    entries: int
    """History entries in these rows."""
    changed_tickets: int
    received_tickets: int | None = None
    """Tickets received since, on the first page; None where they are not counted."""
    by: str | None = None
    """Who made the entries, each with their number, those with the most first."""
    next_cursor: str | None = None
