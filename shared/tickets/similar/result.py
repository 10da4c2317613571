"""The result of `find_similar_tickets`: five similar tickets take at most 300 tokens, in both languages."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from shared.tickets.models import TicketRow
from shared.tickets.parts import beginning
from shared.tickets.results import Cell, Table

COLUMNS: Final = ("ticketId", "summary", "statusName", "received", "why")
_ALL: Final = 300
"""What all summaries may cost together: a Latin letter 1, a Japanese character 4, as in tokens."""
_EACH: Final = (60, 100)
"""What one of many summaries may cost, and one of few."""
_STATUS: Final = 32
_DAY: Final = 10


class SimilarTickets(Table):
    """Similar tickets, the most similar first: what they are, the day of reception, and why they are similar."""


def fitting(rows: Sequence[TicketRow], why: Mapping[str, str]) -> tuple[tuple[Cell, ...], ...]:
    """Return the cells of similar tickets; `rows` are dated, and `why` has the reasons by ticket id."""
    least, most = _EACH
    each = max(least, min(most, _ALL // max(len(rows), 1)))
    return tuple(
        (
            row.ticket_id,
            beginning(row.summary or "", each, _cost),
            beginning(row.status_name or "", _STATUS, _cost),
            (row.reception_date_time or "")[:_DAY],
            why.get(row.ticket_id, ""),
        )
        for row in rows
    )


def _cost(letter: str) -> int:
    return 4 if unicodedata.east_asian_width(letter) in "WF" else 1
