"""Emptying fields of a ticket: `null` and `clear` mean the same, in one rule for all fields.

A ticket API that lists the feature `clear` empties any optional field. Elsewhere only texts can be emptied, by an empty
text; for the rest the result says that this ticket API cannot.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from shared.tickets.changes import FIELDS, same
from shared.tickets.models import Ticket

EMPTY_TEXTS: Final = frozenset({"responseDetails", "externalTicketId", "remarks"})
"""What an empty text empties, where the ticket API does not know `clear`."""


@dataclass(frozen=True, slots=True)
class Emptied:
    """What becomes of the fields to be emptied: in the body, as they read back, and what must be said."""

    body: dict[str, Any] = field(default_factory=dict)
    values: dict[str, None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def emptied(ticket: Ticket, names: tuple[str, ...], *, can_clear: bool) -> Emptied:
    """Return how the fields `names` of `ticket` are emptied; those that are empty need nothing.

    Args:
        ticket: as it was read.
        names: the API's names.
        can_clear: whether the ticket API knows `clear`.
    """
    full = [name for name in names if not same(getattr(ticket, FIELDS[name]), None)]
    if can_clear:
        return Emptied({"clear": full} if full else {}, dict.fromkeys(full))
    texts = [name for name in full if name in EMPTY_TEXTS]
    rest = [name for name in full if name not in EMPTY_TEXTS]
    notes = (f"{', '.join(rest)}: not cleared, because this ticket API cannot empty this.",) if rest else ()
    return Emptied(dict.fromkeys(texts, ""), dict.fromkeys(texts), notes)
