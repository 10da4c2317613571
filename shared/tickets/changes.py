"""What a write wanted, against what reads back: pure comparisons of tickets and histories."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from shared.markdown import one_line
from shared.tickets.models import HistoryEntry, Ticket
from shared.tickets.results import MAX_CELL, FieldChange, cut, field_change

FIELDS: Final = {
    str(info.alias): name
    for name, info in Ticket.model_fields.items()
    if not name.endswith("_name") and name != "attachments"
}
"""API's name of a field that can be compared → ours."""


def differing(ticket: Ticket, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of `values` that `ticket` does not hold."""
    return {
        name: value
        for name, value in values.items()
        if name in FIELDS and not same(getattr(ticket, FIELDS[name]), value)
    }


def same(a: object, b: object) -> bool:
    """Whether two values of a field mean the same: an empty text is no text, and a line break is a line break."""
    return _meaning(a) == _meaning(b)


def _meaning(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\r\n", "\n").strip() or None
    return None if value is False else value  # unknown defect is no defect


def changes(before: Ticket, after: Ticket) -> tuple[FieldChange, ...]:
    """Return what is different, old → new; ids come with their names."""
    return tuple(
        field_change(name, _shown(before, own), _shown(after, own))
        for name, own in FIELDS.items()
        if not same(getattr(before, own), getattr(after, own))
    )


def holds(ticket: Ticket, name: str) -> str:
    """Return what `ticket` holds in the field that the API calls `name`."""
    return one_line(cut(_shown(ticket, FIELDS[name]) or "(empty)", MAX_CELL))


def _shown(ticket: Ticket, own: str) -> str | None:
    value = getattr(ticket, own)
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    named = getattr(ticket, f"{own.removesuffix('_id')}_name", None) if own.endswith("_id") else None
    return f"{named} ({value})" if named else str(value)


def find_entries(entries: Iterable[HistoryEntry], *, user_id: str, comment: str) -> list[HistoryEntry]:
    """Return those of `entries` that have this comment by this person, in their order."""
    return [one for one in entries if same(one.comment, comment) and one.user_id in {None, user_id}]


def added(before: Iterable[HistoryEntry], after: Iterable[HistoryEntry]) -> tuple[HistoryEntry, ...]:
    """Return the entries that came since."""
    known = {entry.id for entry in before}
    return tuple(entry for entry in after if entry.id not in known)
