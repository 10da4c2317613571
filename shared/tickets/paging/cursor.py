"""The place after a row of a sorted list as short text, for example `rd:2026-11-20T03:04/TCK-1234`. Pure.

It names the date that the list is sorted by (`r`eception, `s`cheduled completion, `c`ompletion), the direction (`a` or
`d`), the row's date (empty: it has none) and the row's id. It is a position, not a snapshot: whatever comes in, the
next page begins after that row. The reference API uses the same form.
"""

import re
from types import MappingProxyType
from typing import Final, NamedTuple, Self
from urllib.parse import quote, unquote

from shared.errors import InvalidInputError, Problem
from shared.localization import localized
from shared.tickets.sorting import Row, id_key

_LETTERS: Final = MappingProxyType({"receptionDateTime": "r", "scheduledCompletionDate": "s", "completionDate": "c"})
_FORM: Final = re.compile(r"([rsc][ad]):((?:\d[^/]{0,99})?)/(.{1,300})", re.ASCII)
_NOT_A_CURSOR: Final = "must be nextCursor of the page before; leave it out for the first page"
_OTHER_ORDER: Final = "belongs to a list in another order; keep sortBy and sortOrder, or begin without cursor"


class Place(NamedTuple):
    """The place after one row."""

    date: str
    """As rows show it; empty after a row without a date, which come last in both directions."""
    ticket_id: str

    @classmethod
    def after(cls, row: Row, date: object) -> Self:
        """Return the place after `row`, which is sorted by `date`."""
        return cls(str(date or ""), str(row["ticketId"]))

    @classmethod
    def of(cls, cursor: str, sort_by: str, *, descends: bool) -> Self:
        """Return the place that a cursor names. Raises: InvalidInputError, also for a cursor of another order."""
        found = _FORM.fullmatch(cursor)
        if found is None:
            raise InvalidInputError.of([not_a_cursor()])
        if found[1] != _order(sort_by, descends=descends):
            raise InvalidInputError.of([Problem("cursor", localized(_OTHER_ORDER), right={})])
        return cls(unquote(found[2]).replace("T", " "), unquote(found[3]))

    def cursor(self, sort_by: str, *, descends: bool) -> str:
        """Return this place as text."""
        date = quote(self.date.replace(" ", "T"), safe=":+")
        return f"{_order(sort_by, descends=descends)}:{date}/{quote(self.ticket_id, safe='')}"

    def is_before(self, row: Row, date: object, *, descends: bool) -> bool:
        """Return whether `row`, which is sorted by `date`, comes after this place."""
        if bool(date) != bool(self.date):
            return not date
        own = (self.date.replace("T", " "), id_key({"ticketId": self.ticket_id}))
        other = (str(date or "").replace("T", " "), id_key(row))
        return other < own if descends else other > own


def not_a_cursor() -> Problem:
    """Return the problem of a text that is no cursor."""
    return Problem("cursor", localized(_NOT_A_CURSOR), right={})


def order_of(cursor: str) -> tuple[str, bool] | None:
    """Return by which date the list of a cursor is sorted, and whether it descends; None for any other text."""
    found = _FORM.fullmatch(cursor)
    if found is None:
        return None
    order: str = found[1]
    return next(name for name, letter in _LETTERS.items() if letter == order[0]), order[1] == "d"


def _order(sort_by: str, *, descends: bool) -> str:
    return f"{_LETTERS[sort_by]}{'d' if descends else 'a'}"
