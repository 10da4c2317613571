"""Orders tickets by completion date, over an API that sorts by it but shows it in no list.

The API lists the latest date first, uncompleted tickets before all others, and equal dates in any order. Binary
searches find where the dates begin and where the ties at both ends of a page end; so only the dates of the page itself
are read ticket by ticket.
"""

from collections.abc import Callable, Sequence
from typing import Final

from shared.errors import UpstreamUnavailableError
from shared.localization import localized
from shared.tickets.paging.cursor import Place
from shared.tickets.paging.single_tickets import SingleTickets
from shared.tickets.sorting import Row, id_key

_MOVED: Final = "Tickets were completed while they were sorted. Nothing was changed; try again in a moment."


class MovedError(UpstreamUnavailableError):
    """Tickets were completed or reopened while their dates were read; the list has to be fetched anew."""


class CompletionOrder:
    """Rows that are in the API's order by completion date (latest first), whose dates `tickets` reads.

    Every method raises:
        UpstreamError: a ticket could not be read.
    """

    def __init__(self, tickets: SingleTickets, rows: Sequence[Row]) -> None:
        self._tickets = tickets
        self._rows = rows

    async def between(self, first: str | None, last: str | None) -> Sequence[Row]:
        """Return the rows completed from the day `first` to the day `last`, in the same order.

        Raises:
            MovedError: dates have changed meanwhile.
        """
        dated, _ = await self._parts()
        start = 0 if last is None else await self._leading(dated, lambda date: date > last)
        end = len(dated) if first is None else await self._leading(dated, lambda date: date >= first)
        if not all([await self.date(row) for row in (*dated[start : start + 1], *dated[end : end + 1])]):
            raise MovedError(localized(_MOVED))
        return dated[start:end]

    async def position(self, place: Place, *, descends: bool) -> int:
        """Return how many rows come before a place."""
        dated, undated = await self._directed(descends=descends)
        if not place.date:
            return len(dated) + sum(not place.is_before(row, None, descends=descends) for row in undated)
        first, last = await self._tie(dated, place.date, descends=descends)
        tie = dated[first:last]
        return first + sum(not place.is_before(row, place.date, descends=descends) for row in tie)

    async def slice(self, start: int, end: int, *, descends: bool) -> Sequence[Row]:
        """Return rows `start` to `end` by completion date, ties by id, uncompleted last.

        Raises:
            MovedError: dates have changed meanwhile.
        """
        dated, undated = await self._directed(descends=descends)
        undated = sorted(undated, key=id_key, reverse=descends)
        first, last = min(start, len(dated)), min(end, len(dated))
        shown = await self._settled(dated, first, last, descends=descends) if first < last else ()
        return [*shown, *undated[max(0, start - len(dated)) : max(0, end - len(dated))]]

    async def date(self, row: Row) -> str | None:
        """Return the completion date of a row, None if it has none."""
        ticket_id = row["ticketId"]
        return (await self._tickets.facts((ticket_id,)))[ticket_id].get("completionDate")

    async def _directed(self, *, descends: bool) -> tuple[Sequence[Row], Sequence[Row]]:
        dated, undated = await self._parts()
        return dated if descends else dated[::-1], undated

    async def _parts(self) -> tuple[Sequence[Row], Sequence[Row]]:
        """Return the rows with a date, in the API's order, and the rows without."""
        rows = self._rows
        if not rows:
            return (), ()
        dated_first = await self.date(rows[0]) is not None  # an API may put tickets without a date last
        end = await self._leading(rows, lambda date: bool(date) == dated_first)
        return (rows[:end], rows[end:]) if dated_first else (rows[end:], rows[:end])

    async def _settled(self, dated: Sequence[Row], first: int, last: int, *, descends: bool) -> Sequence[Row]:
        """Return rows `first` to `last` with ties by id."""
        page = dated[first:last]
        await self._tickets.facts(row["ticketId"] for row in page)
        dates = [await self.date(row) or "" for row in page]
        if dates != sorted(dates, reverse=descends) or not all(dates):
            raise MovedError(localized(_MOVED))
        before, _ = await self._tie(dated, dates[0], descends=descends)
        _, after = await self._tie(dated, dates[-1], descends=descends)
        some = [
            *((dates[0], row) for row in dated[before:first]),
            *zip(dates, page, strict=True),
            *((dates[-1], row) for row in dated[last:after]),
        ]
        some.sort(key=lambda one: (one[0], id_key(one[1])), reverse=descends)
        return [row for _, row in some[first - before :][: last - first]]

    async def _tie(self, dated: Sequence[Row], date: str, *, descends: bool) -> tuple[int, int]:
        """Return where the rows of one date begin and end."""
        if descends:
            first = await self._leading(dated, lambda other: other > date)
            return first, await self._leading(dated, lambda other: other >= date)
        first = await self._leading(dated, lambda other: other < date)
        return first, await self._leading(dated, lambda other: other <= date)

    async def _leading(self, rows: Sequence[Row], holds: Callable[[str], bool]) -> int:
        """Return how many rows at the beginning have a date (empty: none) for which `holds` is true."""
        low, high = 0, len(rows)
        while low < high:
            middle = (low + high) // 2
            if holds(await self.date(rows[middle]) or ""):
                low = middle + 1
            else:
                high = middle
        return low
