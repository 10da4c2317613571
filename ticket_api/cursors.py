"""The place of a ticket in an order, as text: where a page ends and the next one begins.

`rd:2026-11-20T03:04/TCK-1234` is the place of TCK-1234, received at that minute, in the order by reception, latest
first. It is short because language models pay for each of its characters. Clients need not understand it.
"""

from datetime import date, datetime
from types import MappingProxyType
from typing import Final, NamedTuple

CODES: Final = MappingProxyType({"receptionDateTime": "r", "scheduledCompletionDate": "s", "completionDate": "c"})
MAX_CURSOR: Final = 80


class Place(NamedTuple):
    """The place of a ticket in an order: its date (None if it has none: those come last), and its id."""

    value: date | None
    ticket_id: str


def show_place(place: Place, sort_by: str, sort_order: str) -> str:
    """Return the cursor of a place in this order."""
    value, ticket_id = place
    if isinstance(value, datetime):
        shown = value.isoformat(timespec="minutes")
    else:
        shown = value.isoformat() if value is not None else ""
    return f"{CODES[sort_by]}{sort_order[0]}:{shown}/{ticket_id}"


def parse_place(cursor: str, sort_by: str, sort_order: str) -> Place:
    """Return the place that `cursor` names.

    Raises:
        ValueError: it is not a cursor of this order.
    """
    _, _, rest = cursor.partition(":")
    shown, _, ticket_id = rest.rpartition("/")
    if sort_by == "receptionDateTime":
        place = Place(datetime.fromisoformat(shown).replace(tzinfo=None), ticket_id)  # so an offset is no cursor
    else:
        place = Place(date.fromisoformat(shown) if shown else None, ticket_id)
    if not ticket_id or "\x00" in ticket_id or show_place(place, sort_by, sort_order) != cursor:
        raise ValueError("not a cursor of this order")
    return place
