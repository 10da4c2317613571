"""What the tools return: typed, bounded, and the shape of `structuredContent` at the same time.

`notes` say what a reader must know about a result, and always come with it: an order that could not be had, a name that
was resolved to an id, an attachment that was not stored.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from pydantic import Field, create_model
from pydantic.alias_generators import to_camel

from shared.markdown import one_line
from shared.tickets.master_lists import ItemT, MasterList
from shared.tickets.models import HistoryEntry, MasterItem, Shape, ShapeT, Ticket, TicketRow

MAX_TEXT: Final = 12_000
"""Characters of one text of a ticket that a result carries; more than the 10,000 people paste."""
MAX_COMMENT: Final = 2_000
MAX_DETAILS: Final = 4_000
MAX_HISTORY_TEXT: Final = 10_000
MAX_ENTRIES: Final = 20
MAX_CELL: Final = 200
MAX_NAME: Final = 50  # no id is longer, so none is cut
MAX_MASTER: Final = 200
CUT_MARK: Final = re.compile(r"\[\s*cut\s+at\s+[\d.,\s]+\s+of\s+[\d.,\s]+\s+characters\s*\]", re.IGNORECASE)
"""What `cut` leaves at the end of a text, also with its blanks or commas changed: such a text is not whole."""


class Result(Shape):
    """Base of every result."""

    notes: tuple[str, ...] = ()

    def structured(self) -> dict[str, Any]:
        """Return the result as JSON without what is absent."""
        dumped = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        if not self.notes:
            del dumped["notes"]
        return dumped


class TicketPage(Result):
    """One page of tickets. There is no total count; `next_offset` is there exactly when there are more."""

    tickets: tuple[TicketRow, ...]
    offset: int
    returned: int
    has_more: bool
    next_offset: int | None = None


class TicketDetail(Result):
    """One ticket and its newest history entries, newest first."""

    ticket: Ticket
    history: tuple[HistoryEntry, ...]
    history_total: int


class TicketCreated(Result):
    """A new ticket, as read back; `already` says that an earlier equal call made it."""

    already: str | None = None
    ticket_id: str
    ticket: Ticket


class FieldChange(Shape):
    """One field before and after, as read from the API: both values, or for long texts only `length`."""

    field: str
    old: str | None = None
    new: str | None = None
    length: str | None = None
    """For example `15,000 → 12,038 characters`."""

    def arrow(self) -> str:
        """Return old → new on one line."""
        return self.length or f"{one_line(self.old or '') or '(empty)'} → {one_line(self.new or '') or '(empty)'}"


def field_change(field: str, old: str | None, new: str | None) -> FieldChange:
    """Return a change of `field`; texts over `MAX_CELL` characters are told by their lengths, never cut."""
    lengths = len(old or ""), len(new or "")
    if max(lengths) <= MAX_CELL:
        return FieldChange(field=field, old=old, new=new)
    return FieldChange(field=field, length=f"{lengths[0]:,} → {lengths[1]:,} characters")


class TicketUpdated(Result):
    """What an update did, as read back; `changed` is empty when only a comment was added."""

    ticket_id: str
    recorded_as: MasterItem
    changed: tuple[FieldChange, ...]
    comment: str | None = None


class CommentAdded(Result):
    """A comment, as read back from the history; `already` says that an earlier equal call added it."""

    already: str | None = None
    ticket_id: str
    recorded_as: MasterItem
    entry: HistoryEntry


class MasterPage(Result):
    """A list of master data, cut after `MAX_MASTER` items; on the wire, `items` has the name of the list."""

    total: int
    items: tuple[MasterItem, ...]


@cache
def page_model(source: MasterList[Any]) -> type[MasterPage]:
    """Return the result of the tool that shows `source`."""
    items: Any = (tuple[source.item, ...], Field(alias=to_camel(source.name)))  # type: ignore[name-defined]
    return create_model(f"{source.name}_page", __base__=MasterPage, items=items)


def master_page(source: MasterList[ItemT], items: Sequence[ItemT], notes: Sequence[str] = ()) -> MasterPage:
    """Return the first `items` of `source` with their texts cut."""
    shown = tuple(shortened(one, MAX_CELL) for one in items[:MAX_MASTER])
    return page_model(source)(items=shown, total=len(items), notes=tuple(notes))


def cut(text: str, limit: int) -> str:
    """Return `text`, or its beginning and how much of it that is."""
    return text if len(text) <= limit else f"{text[:limit]} … [cut at {limit:,} of {len(text):,} characters]"


def shortened(shape: ShapeT, limit: int) -> ShapeT:
    """Return `shape` with every text of its own cut, honestly, after `limit` characters."""
    cuts = {name: cut(value, limit) for name, value in shape if isinstance(value, str) and len(value) > limit}
    return shape.model_copy(update=cuts) if cuts else shape


def shortened_row(row: TicketRow) -> TicketRow:
    """Return `row` with its texts cut to what fits a table."""
    summary = None if row.summary is None else cut(row.summary, MAX_CELL)
    return shortened(row, MAX_NAME).model_copy(update={"summary": summary})


def shortened_ticket(ticket: Ticket) -> Ticket:
    """Return `ticket` with its texts cut; the description is worth the most."""
    description = None if ticket.description is None else cut(ticket.description, MAX_TEXT)
    attachments = tuple(shortened(one, 2 * MAX_CELL) for one in (ticket.attachments or ())[:MAX_ENTRIES])
    return shortened(ticket, MAX_DETAILS).model_copy(update={"description": description, "attachments": attachments})


def shortened_entry(entry: HistoryEntry) -> HistoryEntry:
    """Return `entry` with its texts cut, and those of its changes."""
    changed = tuple(shortened(one, MAX_CELL) for one in (entry.changed_fields or ())[:MAX_ENTRIES])
    return shortened(entry, MAX_COMMENT).model_copy(update={"changed_fields": changed})


def shortened_history(entries: Sequence[HistoryEntry]) -> tuple[HistoryEntry, ...]:
    """Return the newest entries, cut between entries once they fill `MAX_HISTORY_TEXT`; always the newest one."""
    kept: list[HistoryEntry] = []
    left = MAX_HISTORY_TEXT
    for entry in map(shortened_entry, entries[:MAX_ENTRIES]):
        left -= len(entry.model_dump_json(exclude_none=True))
        if kept and left < 0:
            break
        kept.append(entry)
    return tuple(kept)
