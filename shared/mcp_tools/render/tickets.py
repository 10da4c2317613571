"""Renders a ticket with its history."""

from collections.abc import Iterable, Sequence

from shared.markdown import inline, quote
from shared.mcp_tools.render.blocks import change_line, document, facts, long, named, section, text
from shared.tickets import results
from shared.tickets.models import Attachment, HistoryEntry, Ticket


def ticket_detail(detail: results.TicketDetail) -> str:
    """Render a ticket as a report: reception, response, history."""
    return document(ticket_report(detail.ticket), _history(detail.history, detail.history_total), notes=detail.notes)


def ticket_report(ticket: Ticket) -> str:
    """Render a ticket without its history."""
    reception = facts(
        ("Summary", text(ticket.summary)),
        ("Status", named(ticket.status_name, ticket.status_id)),
        ("Received", text(ticket.reception_date_time)),
        ("Requestor", named(ticket.requestor_name, ticket.requestor_id)),
        ("Account", named(ticket.account_name, ticket.account_id)),
        ("Category", named(ticket.category_name, ticket.category_id)),
        ("Category detail", named(ticket.category_detail_name, ticket.category_detail_id)),
        ("Request channel", named(ticket.request_channel_name, ticket.request_channel_id)),
        ("External ticket id", text(ticket.external_ticket_id)),
    )
    response = facts(
        ("Person in charge", named(ticket.person_in_charge_name, ticket.person_in_charge_id)),
        ("Scheduled completion", text(ticket.scheduled_completion_date)),
        ("Completed", text(ticket.completion_date)),
        ("Effort", None if ticket.actual_effort_hours is None else f"{ticket.actual_effort_hours:g} h"),
        ("Response category", named(ticket.response_category_name, ticket.response_category_id)),
        ("Defect", None if ticket.has_defect is None else ("yes" if ticket.has_defect else "no")),
    )
    return document(
        f"# Ticket {inline(ticket.id)}",
        f"## Reception\n\n{reception}",
        long("Description", ticket.description),
        section("## Response", response),
        long("Response details", ticket.response_details),
        long("Remarks", ticket.remarks),
        _attachments(ticket.attachments or ()),
    )


def _attachments(attachments: Iterable[Attachment]) -> str:
    lines = [
        "- " + ", ".join(inline(part) for part in (one.file_name, one.file_url, one.uploaded_at) if part)
        for one in attachments
    ]
    return section("### Attachments", "\n".join(lines))


def _history(entries: Sequence[HistoryEntry], total: int) -> str:
    if not entries:
        return "## History\n\nNo entries."
    count = f"{total} {'entry' if total == 1 else 'entries'}"
    shown = count if total == len(entries) else f"the newest {len(entries)} of {count}"
    return document(f"## History ({shown}, newest first)", *(history_entry(entry) for entry in entries))


def history_entry(entry: HistoryEntry) -> str:
    """Render one entry: time and user, changes, comment."""
    who = named(entry.user_name, entry.user_id) or "an unnamed user"
    changes = [change_line(one.field_name, one.old_value, one.new_value) for one in entry.changed_fields or ()]
    comment = quote(entry.comment) if entry.comment and entry.comment.strip() else ""
    head = f"### {text(entry.timestamp) or 'Undated'}, {who}, entry {inline(entry.id)}"
    return document(head, "\n".join(changes), comment)
