"""Says which values of the ticket API could not be read: one note per ticket, person or history entry. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from shared.markdown import one_line
from shared.tickets.models import HistoryEntry, MasterItem, Ticket, TicketRow
from shared.tickets.results import Result

MAX_NOTES: Final = 5
MAX_NAMES: Final = 5


def unreadable_notes(result: Result) -> tuple[str, ...]:
    """Return a note for each row in `result` with an unreadable value, at most `MAX_NOTES`, and how many more."""
    odd = [(label, names) for label, names in _labelled(result) if names]
    notes = [unreadable_note(label, names) for label, names in odd[:MAX_NOTES]]
    if (rest := len(odd) - MAX_NOTES) > 0:
        notes.append(f"There are values that could not be read in these and {rest} more.")
    return tuple(notes)


def unreadable_note(label: str, names: Sequence[str]) -> str:
    """Return a note that the fields `names` of `label` could not be read."""
    rest = len(names) - MAX_NAMES
    more = f" and {rest} more" if rest > 0 else ""
    return f"{one_line(label[:60])}: {', '.join(names[:MAX_NAMES])}{more} could not be read."


def left_out_notes(count: int) -> tuple[str, ...]:
    """Say how many rows were left out of a list, if any."""
    if not count:
        return ()
    rows = "1 row was" if count == 1 else f"{count:,} rows were"
    return (f"{rows} left out, because the ticket API sent no id with {'it' if count == 1 else 'them'}.",)


def _labelled(result: Result) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield a label of each row that `result` shows in full, and the names of its unreadable fields."""
    for name, value in result:
        for row in value if isinstance(value, tuple) else (value,):
            match row:
                case TicketRow():
                    yield row.ticket_id, row.unreadable
                case HistoryEntry():
                    yield f"history entry {row.timestamp if 'id' in row.unreadable else row.id}", row.unreadable
                case Ticket():
                    yield row.id, row.unreadable
                case MasterItem() if name == "items":
                    yield row.id, row.unreadable
