"""The result of `get_ticket_report`."""

from shared.tickets.models import Shape
from shared.tickets.results import Table


class ReportTotals(Shape):
    """The numbers of all tickets that match."""

    count: int
    open: int
    overdue: int
    oldest_open: str | None = None
    """When the first open one was received."""
    average_open_days: float | None = None
    received: int | None = None
    completed: int | None = None


class TicketReport(Table):
    """Numbers of tickets: of all, and of each group a row. If not every group has one, the last row is the others.

    `oldestDays` and `averageDays` are the ages of open tickets, in days since the reception.
    """

    totals: ReportTotals
    period: str | None = None
    """The days in which `received` and `completed` lie, both included, for example `2026-11-23/2026-11-29`."""
