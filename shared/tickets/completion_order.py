"""Orders tickets by completion date, over an API that sorts by it but shows it in no list.

The API lists the latest date first, uncompleted tickets before all others, and equal dates in any order. A binary
search finds where the dates begin; the dates of a page, and of ties at its ends, are read ticket by ticket.
"""

from collections.abc import Sequence
from typing import Final

import anyio

from shared.api_client import APIClient, segment
from shared.concurrency import gather_all
from shared.errors import NotFoundError
from shared.tickets.models import Ticket, parse_one
from shared.tickets.sorting import Row, id_key

READ_S: Final = 5.0
AT_ONCE: Final = 16
FARTHEST_TIE: Final = 96
"""Tickets that are read beyond either end of a page to find the end of a tie."""
_API_ORDER: Final = (
    "The completion dates could not all be read in time, so tickets completed on the same day may be in any order, "
    "and uncompleted tickets may come first."
)


class CompletionOrder:
    """The rows of one window, in the API's order by completion date (latest first)."""

    def __init__(self, api: APIClient, rows: Sequence[Row]) -> None:
        self._api = api
        self._rows = rows
        self._dates: dict[str, str | None] = {}

    async def slice(self, start: int, end: int, *, descends: bool) -> tuple[Sequence[Row], tuple[str, ...]]:
        """Return rows `start` to `end` by completion date, ties by id, uncompleted last; and notes on their order.

        Raises:
            UpstreamError: a ticket could not be read.
        """
        try:
            with anyio.fail_after(READ_S):
                return await self._slice(start, end, descends=descends)
        except TimeoutError:
            rows = self._rows if descends else self._rows[::-1]
            return rows[start:end], (_API_ORDER,)

    async def _slice(self, start: int, end: int, *, descends: bool) -> tuple[Sequence[Row], tuple[str, ...]]:
        dated, undated = await self._parts()
        if not descends:
            dated = dated[::-1]
        undated = sorted(undated, key=id_key, reverse=descends)
        first, last = min(start, len(dated)), min(end, len(dated))
        shown, is_settled = await self._settled(dated, first, last, descends=descends)
        rest = undated[max(0, start - len(dated)) : max(0, end - len(dated))]
        return [*shown, *rest], () if is_settled else (_API_ORDER,)

    async def _parts(self) -> tuple[Sequence[Row], Sequence[Row]]:
        """Return the rows with a date, in the API's order, and the rows without."""
        rows = self._rows
        if not rows:
            return (), ()
        dated_first = await self._date(rows[0]) is not None  # an API may put tickets without a date last
        low, high = 0, len(rows)
        while low < high:
            middle = (low + high) // 2
            if (await self._date(rows[middle]) is not None) == dated_first:
                low = middle + 1
            else:
                high = middle
        return (rows[:low], rows[low:]) if dated_first else (rows[low:], rows[:low])

    async def _settled(
        self, dated: Sequence[Row], first: int, last: int, *, descends: bool
    ) -> tuple[Sequence[Row], bool]:
        """Return rows `first` to `last` with ties by id, and whether the ties at both ends were read completely."""
        if first == last:
            return (), True
        left = await self._end_of_tie(dated[:first][::-1], dated[first])
        right = await self._end_of_tie(dated[last:], dated[last - 1])
        some = dated[first - left : last + right]
        await self._read(some)
        ordered = sorted(some, key=lambda row: (self._dates[row["ticketId"]] or "", id_key(row)), reverse=descends)
        return ordered[left : left + last - first], max(left, right) < FARTHEST_TIE

    async def _end_of_tie(self, beyond: Sequence[Row], row: Row) -> int:
        """Return how many of the rows `beyond` a page's end share the date of `row`, the outermost of the page."""
        date, count = await self._date(row), 0
        for begin in range(0, min(len(beyond), FARTHEST_TIE), AT_ONCE):
            some = beyond[begin : begin + AT_ONCE]
            await self._read(some)
            for one in some:
                if self._dates[one["ticketId"]] != date:
                    return count
                count += 1
        return count

    async def _date(self, row: Row) -> str | None:
        await self._read((row,))
        return self._dates[row["ticketId"]]

    async def _read(self, rows: Sequence[Row]) -> None:
        missing = [row["ticketId"] for row in rows if row["ticketId"] not in self._dates]
        for begin in range(0, len(missing), AT_ONCE):
            some = missing[begin : begin + AT_ONCE]
            self._dates.update(zip(some, await gather_all(*map(self._completion_date, some)), strict=True))

    async def _completion_date(self, ticket_id: str) -> str | None:
        try:
            ticket = parse_one(Ticket, await self._api.get(f"/tickets/{segment(str(ticket_id))}"))
        except NotFoundError:  # deleted a moment ago
            return None
        return ticket.completion_date or None
