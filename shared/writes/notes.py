"""Sentences in the result of a write, beside what was stored. Pure."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Final

from shared.errors import OutcomeUnknownError
from shared.localization import localized
from shared.mcp_tools.arguments.choices import CLEARABLE
from shared.mcp_tools.inputs import CreateTicketInput, UpdateTicketInput
from shared.tickets.acting_user import ToolCall
from shared.tickets.changes import holds, readably_differing
from shared.tickets.models import HistoryEntry, Ticket
from shared.writes.verification import author, last_change

_NOT_CONFIRMED: Final = "The ticket API did not confirm this"
_NO_ENTRY_NAMED: Final = "The ticket API did not say which entry it added"
_ATTACHMENTS_UNREAD: Final = "The ticket was created; whether its attachments were stored could not be read: {names}."
_ATTACHMENTS_LOST: Final = "The ticket was created, but this ticket API did not store its attachments: {names}."


def author_note(call: ToolCall) -> str:
    """Say where the author of a new ticket is recorded."""
    if call.principal is None or not call.is_by_member:
        return localized("The ticket system does not record the author of a new ticket.")
    return localized(
        "The ticket system does not record the author of a new ticket; the audit log of this server names {principal}.",
        principal=call.principal.id,
    )


def unsaid(notes: Sequence[str], shown: Container[str]) -> tuple[str, ...]:
    """Return the notes on resolved names, except those of `shown`: fields that the result shows with name and id."""
    return tuple(note for note in notes if note.partition(":")[0] not in shown)


def stored_otherwise(ticket: Ticket, wanted: Mapping[str, Any], history: Sequence[HistoryEntry]) -> list[str]:
    """Return the fields of a new ticket that differ from what was sent and were not changed since by its history."""
    return [
        localized("{name} is {value}", name=name, value=holds(ticket, name))
        for name in readably_differing(ticket, wanted)
        if not last_change(history, name)
    ]


def not_verified(ticket: Ticket, wanted: Iterable[str]) -> tuple[str, ...]:
    """Say which of the fields `wanted`, which were sent, could not be read back."""
    names = [name for name in wanted if name in ticket.unreadable]
    if not names:
        return ()
    note = localized(
        "{names}: could not be read back, so it is not known whether this was stored as given.",
        names=localized(", ").join(names),
    )
    return (note,)


def cannot_be_empty(name: str) -> str:
    """Say that null was ignored for a field."""
    return localized("{name}: null was ignored, because this field cannot be empty.", name=name)


def kept(names: Sequence[str]) -> tuple[str, ...]:
    """Say that empty values were ignored for fields, and how to clear those that can be cleared."""
    if not names:
        return ()
    said = localized("Empty values were ignored; unchanged: {names}.", names=localized(", ").join(names))
    if can_be_cleared := [name for name in names if name in CLEARABLE]:
        said += localized(" To clear {names}, name it in clear.", names=localized(" or ").join(can_be_cleared))
    return (said,)


def nothing_to_do(before: Ticket, change: UpdateTicketInput, notes: Sequence[str]) -> str:
    """Say why an update would change nothing; if a field could not be cleared, do not claim that all values hold."""
    left_out = [*change.emptied, *change.cannot_be_empty, *change.kept]
    said = localized("Ticket {ticket_id} already holds every given value.", ticket_id=before.id)
    advice = localized("Give a field that changes, or a comment.")
    return localized(" ").join([*([] if notes and left_out else [said]), *notes, advice])


def proof_of_comment(
    entry: HistoryEntry, acknowledged: Sequence[HistoryEntry], doubt: OutcomeUnknownError | None
) -> tuple[str, ...]:
    """Say how the comment's entry was identified, if the API did not name it."""
    if entry in acknowledged:
        return ()
    note = localized(
        "{said}; the history shows this very comment by {author}, so it was done. An equal comment by the same user at "
        "the same time could not be told apart from it.",
        said=localized(_NOT_CONFIRMED if doubt else _NO_ENTRY_NAMED),
        author=author(entry),
    )
    return (note,)


def attachments_lost(ticket: Ticket, new: CreateTicketInput) -> tuple[str, ...]:
    """Say which attachments the ticket API did not store."""
    stored = {(one.file_name, one.file_url) for one in ticket.attachments or ()}
    lost = [one.file_name for one in new.attachments or () if (one.file_name, one.file_url) not in stored]
    if not lost:
        return ()
    names = localized(", ").join(lost)
    if any(name.startswith("attachments") for name in ticket.unreadable):
        return (localized(_ATTACHMENTS_UNREAD, names=names),)
    return (localized(_ATTACHMENTS_LOST, names=names),)
