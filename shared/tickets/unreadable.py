"""Says which values of the ticket API could not be read: one note per ticket, person or history entry. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from shared.localization import localized
from shared.markdown import one_line
from shared.tickets.models import PLAIN, HistoryEntry, MasterItem, Rows, Shape, ShapeT, Ticket, TicketRow
from shared.tickets.results import Result

MAX_NOTES: Final = 5
MAX_NAMES: Final = 5
_NO_SHAPES: Final = (*PLAIN, tuple)


def unreadable_notes(result: Result) -> tuple[str, ...]:
    """Return a note for each shape in `result` with an unreadable value, at most `MAX_NOTES`, and how many more."""
    values = [value for _, value in result if value and not isinstance(value, PLAIN)]
    rows = [row for value in values for row in (value if isinstance(value, tuple) else (value,))]
    return _notes(row for row in rows if not isinstance(row, _NO_SHAPES))


def row_notes(rows: Rows[ShapeT]) -> tuple[str, ...]:
    """Return the notes on a list that was read: its unreadable values, and how many rows were left out."""
    return (*_notes(rows), *left_out_notes(rows.left_out))


def _notes(rows: Iterable[object]) -> tuple[str, ...]:
    odd = [(_label(row), row.unreadable) for row in rows if isinstance(row, Shape) and row.unreadable]
    notes = [unreadable_note(label, names) for label, names in odd[:MAX_NOTES]]
    if (rest := len(odd) - MAX_NOTES) > 0:
        notes.append(localized("There are values that could not be read in these and {count} more.", count=rest))
    return tuple(notes)


def unreadable_note(label: str, names: Sequence[str]) -> str:
    """Return a note that the fields `names` of `label` could not be read."""
    rest = len(names) - MAX_NAMES
    shown = localized(", ").join(names[:MAX_NAMES])
    return localized(
        "{label}: {names} could not be read.",
        label=one_line(label[:60]),
        names=localized("{names} and {count} more", names=shown, count=rest) if rest > 0 else shown,
    )


def left_out_notes(count: int) -> tuple[str, ...]:
    """Say how many rows were left out of a list, if any."""
    if not count:
        return ()
    if count == 1:
        return (localized("1 row was left out, because the ticket API sent no id with it."),)
    return (localized("{count:,} rows were left out, because the ticket API sent no id with them.", count=count),)


def _label(row: Shape) -> str:
    match row:
        case TicketRow():
            return row.ticket_id
        case HistoryEntry():
            return localized("history entry {entry}", entry=row.timestamp if "id" in row.unreadable else row.id)
        case Ticket() | MasterItem():
            return row.id
    return type(row).__name__
