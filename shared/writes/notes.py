"""Sentences in the result of a write, beside what was stored. Pure."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Final

from shared.errors import OutcomeUnknownError
from shared.mcp_tools.arguments.choices import CLEARABLE
from shared.mcp_tools.inputs import CreateTicketInput, UpdateTicketInput
from shared.tickets.acting_user import ToolCall
from shared.tickets.changes import holds, readably_differing
from shared.tickets.models import HistoryEntry, Ticket
from shared.writes.verification import author, last_change

_NO_AUTHOR: Final = "The ticket system does not record the author of a new ticket"


def author_note(call: ToolCall) -> str:
    """Say where the author of a new ticket is recorded."""
    if call.principal is None or not call.is_by_member:
        return f"{_NO_AUTHOR}."
    return f"{_NO_AUTHOR}; the audit log of this server names {call.principal.id}."


def unsaid(notes: Sequence[str], shown: Container[str]) -> tuple[str, ...]:
    """Return the notes on resolved names, except those of `shown`: fields that the result shows with name and id."""
    return tuple(note for note in notes if note.partition(":")[0] not in shown)


def stored_otherwise(ticket: Ticket, wanted: Mapping[str, Any], history: Sequence[HistoryEntry]) -> list[str]:
    """Return the fields of a new ticket that differ from what was sent and were not changed since by its history."""
    return [
        f"{name} is {holds(ticket, name)}"
        for name in readably_differing(ticket, wanted)
        if not last_change(history, name)
    ]


def not_verified(ticket: Ticket, wanted: Iterable[str]) -> tuple[str, ...]:
    """Say which of the fields `wanted`, which were sent, could not be read back."""
    names = [name for name in wanted if name in ticket.unreadable]
    if not names:
        return ()
    return (f"{', '.join(names)}: could not be read back, so it is not known whether this was stored as given.",)


def cannot_be_empty(name: str) -> str:
    """Say that null was ignored for a field."""
    return f"{name}: null was ignored, because this field cannot be empty."


def kept(names: Sequence[str]) -> tuple[str, ...]:
    """Say that empty values were ignored for fields, and how to clear those that can be cleared."""
    if not names:
        return ()
    said = f"Empty values were ignored; unchanged: {', '.join(names)}."
    can_be_cleared = [name for name in names if name in CLEARABLE]
    return (f"{said} To clear {' or '.join(can_be_cleared)}, name it in clear." if can_be_cleared else said,)


def nothing_to_do(before: Ticket, change: UpdateTicketInput, notes: Sequence[str]) -> str:
    """Say why an update would change nothing; if a field could not be cleared, do not claim that all values hold."""
    left_out = [*change.emptied, *change.cannot_be_empty, *change.kept]
    said = [] if notes and left_out else [f"Ticket {before.id} already holds every given value."]
    return " ".join([*said, *notes, "Give a field that changes, or a comment."])


def proof_of_comment(
    entry: HistoryEntry, acknowledged: Sequence[HistoryEntry], doubt: OutcomeUnknownError | None
) -> tuple[str, ...]:
    """Say how the comment's entry was identified, if the API did not name it."""
    if entry in acknowledged:
        return ()
    said = "The ticket API did not confirm this" if doubt else "The ticket API did not say which entry it added"
    return (
        f"{said}; the history shows this very comment by {author(entry)}, so it was done. An equal comment by the same "
        "user at the same time could not be told apart from it.",
    )


def attachments_lost(ticket: Ticket, new: CreateTicketInput) -> tuple[str, ...]:
    """Say which attachments the ticket API did not store."""
    stored = {(one.file_name, one.file_url) for one in ticket.attachments or ()}
    lost = [one.file_name for one in new.attachments or () if (one.file_name, one.file_url) not in stored]
    if not lost:
        return ()
    if any(name.startswith("attachments") for name in ticket.unreadable):
        return (f"The ticket was created; whether its attachments were stored could not be read: {', '.join(lost)}.",)
    return (f"The ticket was created, but this ticket API did not store its attachments: {', '.join(lost)}.",)
