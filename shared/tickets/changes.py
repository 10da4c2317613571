"""Compares what a write sent with what reads back: pure comparisons of tickets and histories."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from shared.localization import localized
from shared.markdown import clean, one_line, quote
from shared.tickets.models import HistoryEntry, Ticket
from shared.tickets.parts import cut
from shared.tickets.results import MAX_CELL, FieldChange, field_change

FIELDS: Final = {
    str(info.alias): name
    for name, info in Ticket.model_fields.items()
    if not name.endswith("_name") and name != "attachments"
}
"""Maps the API's name of each comparable field to its name in `Ticket`."""


def differing(ticket: Ticket, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of `values` that `ticket` does not hold, or whose values there cannot be read."""
    return {
        name: value
        for name, value in values.items()
        if name in FIELDS and (name in ticket.unreadable or not _holds(getattr(ticket, FIELDS[name]), value))
    }


def readably_differing(ticket: Ticket, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of `values` that `ticket` certainly does not hold."""
    return {name: value for name, value in differing(ticket, values).items() if name not in ticket.unreadable}


def _holds(stored: object, value: object) -> bool:
    """Whether a field that holds `stored` needs no change to hold `value`, which may be copied from a result."""
    if same(stored, value):
        return True
    if not isinstance(stored, str) or not isinstance(value, str):
        return False
    lines = (line[2:].removesuffix("  ") for line in quote(stored).split("\n"))
    return "\n".join(lines) == value


def same(a: object, b: object) -> bool:
    """Whether two field values are equivalent: empty and absent text are equal, and so are texts that look the same."""
    return _meaning(a) == _meaning(b)


def _meaning(value: object) -> object:
    if isinstance(value, str):
        return clean(value).strip() or None
    return None if value is False else value  # an absent `hasDefect` equals false


def changes(before: Ticket, after: Ticket) -> tuple[FieldChange, ...]:
    """Return the fields that differ, with old and new value; ids come with their names."""
    return tuple(
        field_change(name, value_shown(before, own), value_shown(after, own))
        for name, own in FIELDS.items()
        if not same(getattr(before, own), getattr(after, own))
    )


def holds(ticket: Ticket, name: str) -> str:
    """Return the value of the field that the API calls `name`, for a sentence."""
    return one_line(cut(value_shown(ticket, FIELDS[name]) or localized("(empty)"), MAX_CELL))


def value_shown(ticket: Ticket, own: str) -> str | None:
    """Return the value of a field, by its name in `Ticket`, for readers: an id with its name; None if it is empty."""
    value = getattr(ticket, own)
    if Ticket.model_fields[own].alias in ticket.unreadable:
        return localized("(could not be read)")
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return localized("yes" if value else "no")
    if isinstance(value, float):
        return f"{value:g}"
    named = getattr(ticket, f"{own.removesuffix('_id')}_name", None) if own.endswith("_id") else None
    return f"{named} ({value})" if named else str(value)


def find_entries(entries: Iterable[HistoryEntry], *, user_id: str, comment: str) -> list[HistoryEntry]:
    """Return the entries that hold this comment by this user, in order."""
    return [one for one in entries if same(one.comment, comment) and one.user_id in {None, user_id}]


def added(before: Iterable[HistoryEntry], after: Iterable[HistoryEntry]) -> tuple[HistoryEntry, ...]:
    """Return the entries of `after` that are not in `before`."""
    known = {entry.id for entry in before}
    return tuple(entry for entry in after if entry.id not in known)
