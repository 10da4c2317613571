"""Results of the tools: typed, bounded, and the schema of `structuredContent`.

`notes` hold what a reader must know about a result, for example that an order was not possible, a name was resolved to
an id, or an attachment was not stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from pydantic.alias_generators import to_camel

from shared.localization import localized
from shared.markdown import one_line
from shared.tickets.models import HistoryEntry, MasterItem, Shape, ShapeT, Ticket, TicketRow
from shared.tickets.parts import cut

MAX_TEXT: Final = 12_000
"""Characters of a ticket's description in a result; more than the 10,000 that people paste."""
MAX_COMMENT: Final = 2_000
MAX_DETAILS: Final = 4_000
MAX_HISTORY_TEXT: Final = 10_000
MAX_ENTRIES: Final = 20
MAX_CELL: Final = 200
MAX_ECHO: Final = 100
"""Characters of a comment or a summary in the result of its write; the caller has the text."""
MAX_NAME: Final = 50  # no id is longer, so no id is cut


Cell = str | int | float | bool | None
"""One value of a list."""


class Result(Shape):
    """Base of every result."""

    notes: tuple[str, ...] = ()
    as_of: str | None = None
    """The minute of this result and the zone of its moments, for example `2026-11-28 22:35 JST`."""
    acting_user: str | None = None
    """The caller's user in the ticket system, as name (id), or `unknown`; None if a write named another."""

    def structured(self) -> dict[str, Any]:
        """Return the result as JSON, without absent values; notes come last, as in the text: they name others."""
        dumped = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        beside = {name: dumped.pop(name) for name in ("asOf", "actingUser", "notes") if name in dumped}
        if not self.notes:
            del beside["notes"]
        return dumped | beside


class Table(Result):
    """Base of lists: the names of the columns once, then their values row by row; None is an empty cell."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


class TicketPage(Table):
    """One page of tickets. If there are more, `next_cursor` says where they begin, or else `next_offset`."""

    offset: int | None = None
    """How many tickets are before this page; None after a cursor, which does not say."""
    returned: int
    has_more: bool
    total: int | None = None
    """How many tickets match on all pages, where that is known."""
    more_than_total: bool | None = None
    """True if there are more than `total`."""
    next_cursor: str | None = None
    next_offset: int | None = None
    may_repeat: bool | None = None
    """True after an offset: rows may repeat or be missed while tickets come in."""
    left_in: str | None = None
    """How many of these are completed, and what leaves them out; None if the caller asked for completed ones."""


class TicketDetail(Result):
    """One ticket and entries of its history, newest first.

    The ticket has only its id and summary where older or recent entries were asked for, and only the asked part of its
    long texts where a later part was.
    """

    ticket: Ticket
    history: tuple[HistoryEntry, ...]
    history_total: int
    """How many entries there are, since `since` if that is given."""
    next_before: str | None = None
    """What `before` shows the older entries; None if all of these are shown."""
    since: str | None = None
    is_older: bool | None = None
    """True if these entries are not the newest, because `before` was given."""
    part: int | None = None
    parts: int | None = None
    """How many parts the longest text has, if it has several; then `part` says which one is shown."""

    def structured(self) -> dict[str, Any]:
        """Return the result as JSON, without absent values, and without names of users that were named before."""
        dumped, ticket = super().structured(), self.ticket
        named = {
            (ticket.requestor_id, ticket.requestor_name),
            (ticket.person_in_charge_id, ticket.person_in_charge_name),
        }
        for entry in dumped["history"]:
            _name_once(entry, named)
        return dumped


def _name_once(entry: dict[str, Any], named: set[tuple[str | None, str | None]]) -> None:
    """Drop the name of the user of an entry, as JSON, if `named` has it with the user's id; else add it there."""
    user = entry.get("userId"), entry.get("userName")
    if None in user:
        return
    if user in named:
        del entry["userName"]
    named.add(user)


class TicketCreated(Result):
    """A new ticket, as read back, without its long texts; `already` says that an earlier equal call created it."""

    already: str | None = None
    ticket_id: str
    ticket: Ticket


class FieldChange(Shape):
    """One field before and after, as read from the API: both values or, for long texts, only `length`."""

    field: str
    old: str | None = None
    new: str | None = None
    length: str | None = None
    """For example `15,000 → 12,038 characters`."""

    def arrow(self) -> str:
        """Return old → new on one line."""
        old, new = (one_line(value or "") or localized("(empty)") for value in (self.old, self.new))
        return self.length or f"{old} → {new}"


def field_change(field: str, old: str | None, new: str | None) -> FieldChange:
    """Return a change of `field`; for texts over `MAX_CELL` characters it holds only their lengths."""
    lengths = len(old or ""), len(new or "")
    if max(lengths) <= MAX_CELL:
        return FieldChange(field=field, old=old, new=new)
    return FieldChange(field=field, length=localized("{old:,} → {new:,} characters", old=lengths[0], new=lengths[1]))


class TicketUpdated(Result):
    """The effect of an update, as read back; `changed` is empty when only a comment was added."""

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

    def structured(self) -> dict[str, Any]:
        """Return the result as JSON, without absent values, and without the author's name a second time."""
        dumped = super().structured()
        _name_once(dumped["entry"], {(self.recorded_as.id, self.recorded_as.name)})
        return dumped


class MasterPage(Table):
    """One page of a list of master data. `next_offset` is present exactly when there are more; `offset` if not 0."""

    total: int
    offset: int | None = None
    next_offset: int | None = None


_ROW_FIELDS: Final[Mapping[str, str]] = MappingProxyType({to_camel(name): name for name in TicketRow.model_fields})
"""The fields of a row by the API's names."""


def cells(shapes: Iterable[Shape], columns: Sequence[str]) -> tuple[tuple[Cell, ...], ...]:
    """Return the values of `columns` (the API's names) of each shape."""
    dumped = (one.model_dump(by_alias=True) for one in shapes)
    return tuple(tuple(one[name] for name in columns) for one in dumped)


def shortened(shape: ShapeT, limit: int) -> ShapeT:
    """Return `shape` with each of its own texts cut after `limit` characters, with the mark of `cut`."""
    cuts = {name: cut(value, limit) for name, value in shape if isinstance(value, str) and len(value) > limit}
    return shape.model_copy(update=cuts) if cuts else shape


def row_cells(rows: Iterable[TicketRow], columns: Sequence[str]) -> tuple[tuple[Cell, ...], ...]:
    """Return the values of `columns` (the API's names) of each row, with texts cut to fit a table."""
    fields = [(_ROW_FIELDS[name], MAX_CELL if name == "summary" else MAX_NAME) for name in columns]
    return tuple([
        tuple([
            cut(value, limit) if isinstance(value := values[field], str) and len(value) > limit else value
            for field, limit in fields
        ])
        for values in map(vars, rows)
    ])  # fmt: skip


def shortened_ticket(ticket: Ticket) -> Ticket:
    """Return `ticket` with its texts cut; the description may be the longest."""
    description = None if ticket.description is None else cut(ticket.description, MAX_TEXT)
    attachments = tuple(shortened(one, 2 * MAX_CELL) for one in (ticket.attachments or ())[:MAX_ENTRIES])
    update = {"description": description, "attachments": attachments or None}
    return shortened(ticket, MAX_DETAILS).model_copy(update=update)


def created_ticket(ticket: Ticket) -> Ticket:
    """Return a new `ticket` without what its caller gave and need not see again.

    That is its long texts, its category, and ids of master data beside their names.
    """
    summary = None if ticket.summary is None else cut(ticket.summary, MAX_ECHO)
    left_out = {"description": None, "response_details": None, "remarks": None, "has_defect": ticket.has_defect or None}
    left_out |= dict.fromkeys(("category_id", "category_name", "category_detail_id", "category_detail_name"))
    for name in ("status", "request_channel", "response_category"):
        if getattr(ticket, f"{name}_name"):
            left_out[f"{name}_id"] = None
    return shortened_ticket(ticket).model_copy(update={"summary": summary, **left_out})


def shortened_entry(entry: HistoryEntry, most: int = MAX_COMMENT) -> HistoryEntry:
    """Return `entry` with its own texts cut after `most` characters, and those of its changes."""
    changed = tuple(shortened(one, MAX_CELL) for one in (entry.changed_fields or ())[:MAX_ENTRIES])
    return shortened(entry, most).model_copy(update={"changed_fields": changed or None})
