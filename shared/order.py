"""What can truthfully be said about the order of a page.

The existing API ignores `sortOrder` and always sorts descending; another may honour it, and neither says so. So an
ascending page is looked at: rows that fall prove that it was ignored, rows that only rise prove that it was honoured.
Where all tickets fit on one page, sorting them here is the whole truth and needs no words.
"""

from collections.abc import Sequence
from itertools import pairwise

from shared.inputs import TicketListInput
from shared.tickets import TicketRow

_KEYS = {"receptionDateTime": "reception_date_time", "scheduledCompletionDate": "scheduled_completion_date"}


def ordered(
    rows: Sequence[TicketRow], query: TicketListInput, *, complete: bool
) -> tuple[Sequence[TicketRow], tuple[str, ...]]:
    """Return `rows` in the order that was asked for, as far as possible, and what must be said about it.

    `complete` means that `rows` are all tickets there are for this query.
    """
    if query.sort_order == "desc" or len(rows) < 2:
        return rows, ()
    if query.sort_by not in _KEYS:  # rows do not carry this date
        return rows, (f"Rows do not show {query.sort_by}, so it could not be checked that they ascend by it.",)
    keys = [key for row in rows if (key := _key(row, query.sort_by)) is not None]
    falls = any(a > b for a, b in pairwise(keys))
    rises = any(a < b for a, b in pairwise(keys))
    if complete:
        return _ascending(rows, query.sort_by), ()
    if falls:
        return _ascending(rows[: query.limit], query.sort_by), (
            "This ticket API ignores sortOrder=asc and pages from the latest. Only the rows within this page were "
            "sorted; earlier tickets are on later pages.",
        )
    if not rises:
        return rows, (
            f"These rows do not differ in {query.sort_by}, or have none, so it could not be checked that they ascend.",
        )
    return rows, ()


def _key(row: TicketRow, sort_by: str) -> str | None:
    value: str | None = getattr(row, _KEYS[sort_by])
    return value


def _ascending(rows: Sequence[TicketRow], sort_by: str) -> Sequence[TicketRow]:
    """Sort by date, tickets without one last."""
    return sorted(rows, key=lambda row: (_key(row, sort_by) is None, _key(row, sort_by) or ""))
