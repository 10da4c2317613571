"""Renders the results of writes."""

from shared.markdown import inline, quote
from shared.mcp_tools.render.blocks import change_line, document, named
from shared.mcp_tools.render.tickets import history_entry, ticket_report
from shared.tickets import results
from shared.tickets.models import MasterItem


def ticket_created(created: results.TicketCreated) -> str:
    """Render a new ticket, as read back."""
    head = inline(created.already or f"Created ticket {created.ticket_id}.")
    return document(head, ticket_report(created.ticket), notes=created.notes)


def ticket_updated(updated: results.TicketUpdated) -> str:
    """Render the changes of an update."""
    changes = "\n".join(
        f"- {inline(one.field)}: {one.length}" if one.length else change_line(one.field, one.old, one.new)
        for one in updated.changed
    )
    comment = f"Comment added:\n\n{quote(updated.comment)}" if updated.comment else ""
    head = f"Updated ticket {inline(updated.ticket_id)}. {_recorded(updated.recorded_as)}"
    return document(head, changes, comment, notes=updated.notes)


def comment_added(added: results.CommentAdded) -> str:
    """Render a comment, as stored."""
    said = inline(added.already or f"Added a comment to ticket {added.ticket_id}.")
    head = f"{said} {_recorded(added.recorded_as)}"
    return document(head, history_entry(added.entry), notes=added.notes)


def _recorded(user: MasterItem) -> str:
    return f"Recorded as {named(user.name, user.id)}."
