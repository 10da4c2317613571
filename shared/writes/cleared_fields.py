"""Clears fields of a ticket: `null` and `clear` mean the same, by one rule for all fields.

A ticket API with the feature `clear` can clear any optional field. Other APIs can clear only texts, by an empty text;
for other fields the result says that this ticket API cannot.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from shared.localization import localized
from shared.tickets.changes import FIELDS, same
from shared.tickets.models import Ticket

EMPTY_TEXTS: Final = frozenset({"responseDetails", "externalTicketId", "remarks"})
"""Fields that an empty text clears, if the ticket API lacks the feature `clear`."""


@dataclass(frozen=True, slots=True)
class Emptied:
    """How fields are cleared: their part of the request body, the expected values, and notes."""

    body: dict[str, Any] = field(default_factory=dict)
    values: dict[str, None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def emptied(ticket: Ticket, names: tuple[str, ...], *, can_clear: bool) -> Emptied:
    """Return how to clear the fields `names` of `ticket`, without those that are empty already.

    Args:
        ticket: the ticket as read before.
        names: the API's field names.
        can_clear: whether the ticket API has the feature `clear`.
    """
    full = [name for name in names if name in ticket.unreadable or not same(getattr(ticket, FIELDS[name]), None)]
    if can_clear:
        return Emptied({"clear": full} if full else {}, dict.fromkeys(full))
    texts = [name for name in full if name in EMPTY_TEXTS]
    rest = [name for name in full if name not in EMPTY_TEXTS]
    note = localized(
        "{names}: not cleared, because this ticket API cannot clear this.", names=localized(", ").join(rest)
    )
    return Emptied(dict.fromkeys(texts, ""), dict.fromkeys(texts), (note,) if rest else ())
