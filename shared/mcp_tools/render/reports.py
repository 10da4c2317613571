"""Renders reports and lists of changes: the totals in one line, and a table."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from shared.localization import localized
from shared.markdown import inline, table
from shared.mcp_tools.render.blocks import document
from shared.tickets.activity.result import TicketChanges
from shared.tickets.reports.result import ReportTotals, TicketReport
from shared.tickets.results import Cell, Table

# fmt: off
_HEADINGS: Final[Mapping[str, Callable[[], str]]] = MappingProxyType({
    "status":      lambda: localized("Status"),
    "category":    lambda: localized("Category"),
    "person":      lambda: localized("In charge"),
    "account":     lambda: localized("Account"),
    "channel":     lambda: localized("Channel"),
    "week":        lambda: localized("Week from"),
    "count":       lambda: localized("Count"),
    "open":        lambda: localized("Open"),
    "overdue":     lambda: localized("Overdue"),
    "oldestDays":  lambda: localized("Oldest days"),
    "averageDays": lambda: localized("Average days"),
    "received":    lambda: localized("Received"),
    "completed":   lambda: localized("Completed"),
    "ticketId":    lambda: localized("Ticket"),
    "summary":     lambda: localized("Summary"),
    "changes":     lambda: localized("Changes"),
    "comments":    lambda: localized("Comments"),
    "comment":     lambda: localized("Comment"),
    "by":          lambda: localized("By"),
    "last":        lambda: localized("Time"),
})
# fmt: on


def ticket_counts(report: TicketReport) -> str:
    """Render a report: the totals, then a row for each group."""
    return document(_totals(report.totals, report.period), _table_of(report), notes=report.notes)


def _totals(total: ReportTotals, period: str | None) -> str:
    said = [
        localized(
            "Tickets: {count}, open {open}, overdue {overdue}.",
            count=total.count,
            open=total.open,
            overdue=total.overdue,
        )
    ]
    if total.oldest_open is not None:
        said.append(localized("Oldest open: {moment}.", moment=inline(total.oldest_open)))
    if total.average_open_days is not None:
        said.append(localized("Average age: {days} days.", days=f"{total.average_open_days:g}"))
    if period is not None and (counted := _in_period(total.received, total.completed)):
        said.append(f"{period}: {counted}")
    return localized(" ").join(said)


def _in_period(received: int | None, completed: int | None) -> str:
    """Return what was counted in a period; empty if nothing could be."""
    if received is not None and completed is not None:
        return localized("received {received}, completed {completed}.", received=received, completed=completed)
    if received is not None:
        return localized("received {number}.", number=received)
    return "" if completed is None else localized("completed {number}.", number=completed)


def ticket_changes(changes: TicketChanges) -> str:
    """Render what changed: how much each author changed, then a row for each ticket or entry."""
    since = inline(changes.since)
    span = localized("From {since} to {until}.", since=since, until=inline(changes.until)) if changes.until else ""
    said = [
        span or localized("Since {since}.", since=since),
        localized(
            "Changes: {entries}, in tickets: {tickets}.", entries=changes.entries, tickets=changes.changed_tickets
        ),
        localized("By: {people}.", people=inline(changes.by)) if changes.by else "",
    ]
    if changes.received_tickets is not None:
        said.append(localized("Tickets received: {number}.", number=changes.received_tickets))
    if changes.next_cursor:
        said.append(localized("There are more: next cursor {cursor}.", cursor=inline(changes.next_cursor)))
    return document(localized(" ").join(filter(None, said)), _table_of(changes), notes=changes.notes)


def _table_of(result: Table) -> str:
    if not result.rows:
        return ""
    return table([_HEADINGS[name]() for name in result.columns], ([_cell(cell) for cell in row] for row in result.rows))


def _cell(cell: Cell) -> str | None:
    if isinstance(cell, float):
        return f"{cell:g}"
    return None if cell is None else str(cell)
