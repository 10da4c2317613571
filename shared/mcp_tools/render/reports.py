"""Renders reports and lists of changes: the totals in one line, and a table."""

from shared.localization import localized
from shared.markdown import inline
from shared.mcp_tools.render.blocks import document
from shared.mcp_tools.render.lists import table_of
from shared.tickets.activity.result import TicketChanges
from shared.tickets.reports.result import ReportTotals, TicketReport


def ticket_counts(report: TicketReport) -> str:
    """Render a report: the totals, then a row for each group."""
    return document(_totals(report.totals, report.period), table_of(report), notes=report.notes)


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
    return document(localized(" ").join(filter(None, said)), table_of(changes), notes=changes.notes)
