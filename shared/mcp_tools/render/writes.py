"""Renders the results of writes."""

from shared.localization import localized
from shared.markdown import inline, quote
from shared.mcp_tools.render.blocks import People, block, change, document, fact, facts, named
from shared.mcp_tools.render.tickets import attachments, history_entry, ticket_facts
from shared.tickets import results
from shared.tickets.labels import field_label
from shared.tickets.models import MasterItem


def ticket_created(created: results.TicketCreated) -> str:
    """Render a new ticket, as read back."""
    ticket = created.ticket
    head = created.already or localized("Created ticket {ticket_id}.", ticket_id=created.ticket_id)
    return document(
        inline(head),
        "\n".join(filter(None, (
            facts(fact("summary", inline(ticket.summary or ""))),
            ticket_facts(ticket, People()),
        ))),
        block(field_label("attachments"), attachments(ticket)),
        notes=created.notes,
    )  # fmt: skip


def ticket_updated(updated: results.TicketUpdated) -> str:
    """Render the changes of an update."""
    changes = facts(*map(field_changed, updated.changed))
    comment = block(localized("Comment added"), quote(updated.comment)) if updated.comment else ""
    head = localized("Updated ticket {ticket_id}.", ticket_id=inline(updated.ticket_id))
    return document(_recorded(head, updated.recorded_as), changes, comment, notes=updated.notes)


def field_changed(one: results.FieldChange) -> str:
    """Render one changed field: its values, or its lengths."""
    return fact(one.field, inline(one.length)) or "" if one.length else change(one.field, one.old, one.new)


def comment_added(added: results.CommentAdded) -> str:
    """Render a comment, as stored."""
    people = People()
    said = inline(added.already or localized("Added a comment to ticket {ticket_id}.", ticket_id=added.ticket_id))
    people.named(added.recorded_as.name, added.recorded_as.id)
    return document(_recorded(said, added.recorded_as), history_entry(added.entry, people), notes=added.notes)


def _recorded(said: str, user: MasterItem) -> str:
    return localized(" ").join([said, localized("Recorded as {user}.", user=named(user.name, user.id))])
