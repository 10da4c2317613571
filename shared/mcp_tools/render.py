"""Renders results as Markdown for people and models: pure functions, one per result.

Ticket text is data: short text is escaped in place, longer text is quoted. Names come with the ids that the next call
needs. Absent values take no line.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from shared.errors import Effect, TicketServerError
from shared.markdown import clean, inline, quote, table
from shared.mcp_tools.cleaning import not_shown
from shared.tickets import results
from shared.tickets.columns import HEADINGS
from shared.tickets.dates.dated import UNKNOWN
from shared.tickets.models import Attachment, HistoryEntry, MasterItem, Ticket
from shared.visible_text import hidden_characters

EFFECTS: Final = {
    Effect.NOTHING_CHANGED: "Nothing was changed.",
    Effect.CHANGED: "It was changed.",
    Effect.UNKNOWN: "It may have been changed.",
}

_NONE: Final = "No tickets match."
_NONE_FOUND: Final = "No tickets were found."
"""What is said where not every ticket could be looked at."""


def _document(*parts: str, notes: Sequence[str] = ()) -> str:
    said = "\n".join(f"Note: {inline(note)}" for note in notes)
    return "\n\n".join(part for part in (*parts, said) if part)


def _facts(*facts: tuple[str, str | None]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts if value)


def _text(value: str | None) -> str | None:
    return inline(value) if value else None


def _named(name: str | None, identifier: str | None) -> str | None:
    """Return `name (id)`, or the one of them that is given."""
    if not name or not identifier:
        return _text(name or identifier)
    return f"{inline(name)} ({inline(identifier)})"


def stamp(result: results.Result) -> str:
    """Render the minute of a result and who called."""
    said = f"As of {result.as_of}."
    if result.acting_user == UNKNOWN:
        return f"{said} Your user in the ticket system is not known."
    return f"{said} You are {inline(result.acting_user)}." if result.acting_user else said


def ticket_page(page: results.TicketPage) -> str:
    """Render a page of tickets as one table."""
    if not page.rows:
        place = "after this cursor" if page.offset is None else "at this offset"
        none = f"No tickets {place}." if page.offset != 0 else _NONE if page.total == 0 else _NONE_FOUND
        return _document(none, notes=page.notes)
    repeats = "Pages by offset may repeat or miss tickets while others come in." if page.may_repeat else None
    said = (_counted(page), _where_next(page), repeats, page.left_in)
    return _document(" ".join(filter(None, said)), _table(page), notes=page.notes)


def _counted(page: results.TicketPage) -> str:
    of = "" if page.total is None else f" of {'more than ' if page.more_than_total else ''}{page.total}"
    if page.offset is None:
        return f"The {'next' if page.has_more else 'last'} {page.returned}{of} tickets."
    return f"Tickets {page.offset + 1} to {page.offset + page.returned}{of}."


def _where_next(page: results.TicketPage) -> str:
    if not page.has_more:
        return "There are no more." if page.total is not None else "No more were found."
    if page.next_cursor is None:
        return "There are more." if page.next_offset is None else f"There are more: next offset {page.next_offset}."
    return f"There are more: next cursor {inline(page.next_cursor)}."


def _table(page: results.Table) -> str:
    return table([HEADINGS[name] for name in page.columns], ([_cell(cell) for cell in row] for row in page.rows))


def _cell(cell: results.Cell) -> str | None:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return None if cell is None else str(cell)


def ticket_detail(detail: results.TicketDetail) -> str:
    """Render a ticket as a report: reception, response, history."""
    return _document(ticket_report(detail.ticket), _history(detail.history, detail.history_total), notes=detail.notes)


def ticket_report(ticket: Ticket) -> str:
    """Render a ticket without its history."""
    reception = _facts(
        ("Summary", _text(ticket.summary)),
        ("Status", _named(ticket.status_name, ticket.status_id)),
        ("Received", _text(ticket.reception_date_time)),
        ("Requestor", _named(ticket.requestor_name, ticket.requestor_id)),
        ("Account", _named(ticket.account_name, ticket.account_id)),
        ("Category", _named(ticket.category_name, ticket.category_id)),
        ("Category detail", _named(ticket.category_detail_name, ticket.category_detail_id)),
        ("Request channel", _named(ticket.request_channel_name, ticket.request_channel_id)),
        ("External ticket id", _text(ticket.external_ticket_id)),
    )
    response = _facts(
        ("Person in charge", _named(ticket.person_in_charge_name, ticket.person_in_charge_id)),
        ("Scheduled completion", _text(ticket.scheduled_completion_date)),
        ("Completed", _text(ticket.completion_date)),
        ("Effort", None if ticket.actual_effort_hours is None else f"{ticket.actual_effort_hours:g} h"),
        ("Response category", _named(ticket.response_category_name, ticket.response_category_id)),
        ("Defect", None if ticket.has_defect is None else ("yes" if ticket.has_defect else "no")),
    )
    return _document(
        f"# Ticket {inline(ticket.id)}",
        f"## Reception\n\n{reception}",
        _long("Description", ticket.description),
        _section("## Response", response),
        _long("Response details", ticket.response_details),
        _long("Remarks", ticket.remarks),
        _attachments(ticket.attachments or ()),
    )


def ticket_created(created: results.TicketCreated) -> str:
    """Render a new ticket, as read back."""
    head = inline(created.already or f"Created ticket {created.ticket_id}.")
    return _document(head, ticket_report(created.ticket), notes=created.notes)


def ticket_updated(updated: results.TicketUpdated) -> str:
    """Render the changes of an update."""
    changes = "\n".join(
        f"- {inline(one.field)}: {one.length}" if one.length else _change(one.field, one.old, one.new)
        for one in updated.changed
    )
    comment = f"Comment added:\n\n{quote(updated.comment)}" if updated.comment else ""
    head = f"Updated ticket {inline(updated.ticket_id)}. {_recorded(updated.recorded_as)}"
    return _document(head, changes, comment, notes=updated.notes)


def comment_added(added: results.CommentAdded) -> str:
    """Render a comment, as stored."""
    said = inline(added.already or f"Added a comment to ticket {added.ticket_id}.")
    head = f"{said} {_recorded(added.recorded_as)}"
    return _document(head, history_entry(added.entry), notes=added.notes)


def _recorded(user: MasterItem) -> str:
    return f"Recorded as {_named(user.name, user.id)}."


def master_page(page: results.MasterPage) -> str:
    """Render a page of a list of master data."""
    first = page.offset or 0
    if not page.rows:
        none = f"No entries at this offset; there are {page.total}." if first else "No entries."
        return _document(none, notes=page.notes)
    more = "" if page.next_offset is None else f" Next offset {page.next_offset}."
    is_part = page.total > len(page.rows)
    cut = f"Entries {first + 1} to {first + len(page.rows)} of {page.total}.{more}" if is_part else ""
    return _document(cut, _table(page), notes=page.notes)


def _section(heading: str, body: str) -> str:
    return f"{heading}\n\n{body}" if body else ""


def _long(heading: str, text: str | None) -> str:
    return f"### {heading}\n\n{quote(text)}" if text and text.strip() else ""


def _attachments(attachments: Iterable[Attachment]) -> str:
    lines = [
        "- " + ", ".join(inline(part) for part in (one.file_name, one.file_url, one.uploaded_at) if part)
        for one in attachments
    ]
    return _section("### Attachments", "\n".join(lines))


def _history(entries: Sequence[HistoryEntry], total: int) -> str:
    if not entries:
        return "## History\n\nNo entries."
    count = f"{total} {'entry' if total == 1 else 'entries'}"
    shown = count if total == len(entries) else f"the newest {len(entries)} of {count}"
    return _document(f"## History ({shown}, newest first)", *(history_entry(entry) for entry in entries))


def history_entry(entry: HistoryEntry) -> str:
    """Render one entry: time and user, changes, comment."""
    who = _named(entry.user_name, entry.user_id) or "an unnamed user"
    changes = [_change(one.field_name, one.old_value, one.new_value) for one in entry.changed_fields or ()]
    comment = quote(entry.comment) if entry.comment and entry.comment.strip() else ""
    head = f"### {_text(entry.timestamp) or 'Undated'}, {who}, entry {inline(entry.id)}"
    return _document(head, "\n".join(changes), comment)


def failure(error: TicketServerError) -> str:
    """Render `sentence(error)` as text that every Markdown renderer shows literally."""
    return "\n".join(inline(line) for line in sentence(error).split("\n"))


def sentence(error: TicketServerError) -> str:
    """Return what went wrong and what is allowed, with exactly one statement of the effect on the tickets."""
    said = clean(str(error)).strip()
    parts = [said]
    effect = EFFECTS[error.effect]
    if effect.rstrip(".").casefold() not in said.casefold():
        parts.append(effect)
    if dropped := hidden_characters(str(error)):
        parts.append(not_shown(dropped))
    return ("\n" if "\n" in said else " ").join(parts)


def _change(field: str, old: str | None, new: str | None) -> str:
    return f"- {inline(field)}: {_text(old) or '(empty)'} → {_text(new) or '(empty)'}"
