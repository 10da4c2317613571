"""Cuts pages from windows, for a ticket API that ignores `sortOrder` and has no order among equal dates.

The rows of a window are filtered and sorted here, with the ticket id as the last key. A page begins at an offset, or
after the ticket that a cursor names: then no ticket is repeated or skipped, whatever comes in meanwhile.
Source: the observed behaviour of the existing API; cases T17, T19, U7 and U8.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from shared.api_client import APIClient
from shared.errors import UpstreamUnavailableError
from shared.localization import localized
from shared.tickets.paging import window_notes
from shared.tickets.paging.completion_order import CompletionOrder, MovedError
from shared.tickets.paging.cursor import Place
from shared.tickets.paging.list_query import COMPLETION, RECEPTION, Query, fetch_order, query_of
from shared.tickets.paging.narrowing import Narrowing
from shared.tickets.paging.row_order import Order, RowOrder
from shared.tickets.paging.single_tickets import SingleTickets, in_time
from shared.tickets.paging.windows import TicketWindows, Window
from shared.tickets.search.rows import AS_ONE_PIECE, found_rows, literal_rows
from shared.tickets.search.terms import SearchTerms, escaped, has_wildcard
from shared.tickets.selection import TicketSelection
from shared.tickets.sorting import Page, Row
from shared.tickets.unreadable import left_out_notes

_TOO_SLOW: Final = (
    "The completion dates could not all be read in time, so the next page could not be found. Nothing was changed; "
    "try again in a moment."
)


class FoundRows(NamedTuple):
    """The tickets that match, as far as a window shows."""

    rows: Sequence[Row]
    """In the API's order by `fetched_by`."""
    fetched_by: str
    tickets: SingleTickets
    goes_on: bool
    """Whether more tickets match than `rows`, in the same order."""
    total: int | None
    notes: tuple[str, ...]

    @property
    def are_all(self) -> bool:
        """Whether these are all tickets that match."""
        return self.total is not None and not self.goes_on

    def order(self, sort_by: str) -> Order:
        """Return the order of the rows by one date."""
        return CompletionOrder(self.tickets, self.rows) if sort_by == COMPLETION else RowOrder(self.rows, sort_by)

    def page_notes(self, selection: TicketSelection, end: int) -> tuple[str, ...]:
        """Return what to know of a page that ends before row `end`."""
        if not self.goes_on:
            return self.notes
        said, held = [*self.notes], len(self.rows)
        if not (selection.descends and selection.sort_by == self.fetched_by == RECEPTION):
            said.append(window_notes.sorted_among(held, self.fetched_by))
        if end >= held:
            said.append(window_notes.ends_here(held))
        return tuple(said)


class WindowPages:
    """Cuts the pages of one ticket API; `completed_id` is the id of the status that means completed."""

    def __init__(self, api: APIClient, windows: TicketWindows, *, completed_id: str) -> None:
        self._api = api
        self._windows = windows
        self._completed = completed_id

    async def page(self, selection: TicketSelection, narrowing: Narrowing, terms: SearchTerms | None) -> Page:
        """Return the page that is selected, of the tickets that have all `terms` and pass `narrowing`.

        Raises:
            InvalidInputError: the cursor is not valid, or the list cannot be computed here.
            UpstreamError: the API failed.
        """
        cursor = selection.cursor
        place = None if cursor is None else Place.of(cursor, selection.sort_by, descends=selection.descends)
        try:
            return await self._page(selection, place, narrowing, terms)
        except MovedError:
            self._windows.forget()
            return await self._page(selection, place, narrowing, terms, is_last=True)

    async def whole(self, selection: TicketSelection, narrowing: Narrowing) -> FoundRows | None:
        """Return the rows of all tickets that pass `narrowing`, as far as a window shows; None if there is no window.

        Raises:
            InvalidInputError: the filters cannot be computed here.
            UpstreamError: the API failed.
        """
        try:
            return await self._whole(selection, narrowing)
        except MovedError:
            self._windows.forget()
            return await self._whole(selection, narrowing)

    async def _whole(self, selection: TicketSelection, narrowing: Narrowing) -> FoundRows | None:
        query = query_of(selection.filters, completed_id=self._completed) | {"sortBy": fetch_order(selection)}
        window = await self._windows.window(query)
        return None if window is None else await self._found(window, query, narrowing, None)

    async def _page(
        self,
        selection: TicketSelection,
        place: Place | None,
        narrowing: Narrowing,
        terms: SearchTerms | None,
        *,
        is_last: bool = False,
    ) -> Page:
        query = query_of(selection.filters, completed_id=self._completed) | {"sortBy": fetch_order(selection)}
        window = await self._windows.window(query)
        if window is None:
            return await self._without_window(selection, query, narrowing, terms)
        found = await self._found(window, query, narrowing, terms)
        if found.goes_on and place is None and selection.offset + selection.limit > len(found.rows):
            page = await self._own_page(selection, query, window_notes.beyond(len(found.rows)))
            return page._replace(total=found.total, total_is_exact=False)
        return await _cut(found, selection, place, is_last=is_last)

    async def _found(self, window: Window, query: Query, narrowing: Narrowing, terms: SearchTerms | None) -> FoundRows:
        """Return the rows of a window that have all terms and pass all filters, and what the API itself finds."""
        rows: Sequence[Row] = window.rows
        notes, fetched_by = left_out_notes(window.left_out), str(query["sortBy"])
        may_lack = window.is_cut and not await narrowing.ends_in(window.rows[-1], window.tickets, fetched_by)
        if terms is not None:
            own, piece = await self._searched(query, terms.longest if window.is_cut else (terms.phrase,))
            rows, said = found_rows(window, own, terms, piece)
            notes = (*notes, *said)
        names = narrowing.names
        if names:
            rows, said = await narrowing.rows(rows, window.tickets)
            notes = (*notes, *said)
        if may_lack and names:
            notes = (*notes, window_notes.filtered_among(len(window.rows), fetched_by, names))
        is_computed = bool(names) or terms is not None
        total = None if may_lack and is_computed else len(rows)
        return FoundRows(rows, fetched_by, window.tickets, may_lack and not is_computed, total, notes)

    async def _searched(self, query: Query, pieces: Sequence[str]) -> tuple[Window | None, str]:
        """Return what the API finds for the first piece of which it shows all, else for the first, and the piece."""
        first: Window | None = None
        for piece in pieces:
            own = await self._windows.window({**query, "searchQuery": escaped(piece)})
            if own is None:
                break
            if not own.is_cut:
                return own, piece
            first = first or own
        return first, pieces[0]

    async def _without_window(
        self, selection: TicketSelection, query: Query, narrowing: Narrowing, terms: SearchTerms | None
    ) -> Page:
        """Return the API's own page, if it needs nothing that is computed here."""
        names = (*narrowing.names, *(("cursor",) if selection.cursor is not None else ()))
        if names:
            raise window_notes.no_window(names)
        if terms is None:
            return await self._own_page(selection, query, localized(window_notes.NOT_SORTABLE))
        phrase = terms.phrase
        query = query | {"searchQuery": escaped(phrase)}
        page = await self._own_page(selection, query, localized(AS_ONE_PIECE))
        return literal_rows(page, phrase) if has_wildcard(phrase) else page

    async def _own_page(self, selection: TicketSelection, query: Query, note: str) -> Page:
        """Return a page as the API itself cuts it; one more row is requested, so that `has_more` is certain."""
        limit = selection.limit
        response = await self._api.get("/tickets", params={**query, "limit": limit + 1, "offset": selection.offset})
        rows = list(response) if isinstance(response, list) else response
        return Page(rows[:limit], len(rows) > limit, (note,))


async def _cut(found: FoundRows, selection: TicketSelection, place: Place | None, *, is_last: bool) -> Page:
    """Return one page of the rows that were found; if the last attempt cannot sort them, in the API's order.

    Raises:
        MovedError: dates have changed since the window was fetched.
        UpstreamUnavailableError: the dates that the cursor needs could not be read in time.
    """
    order, sort_by, descends = found.order(selection.sort_by), selection.sort_by, selection.descends
    start, cursor = selection.offset, None
    notes: tuple[str, ...] = ()
    try:
        with in_time():
            if place is not None:
                start = await order.position(place, descends=descends)
            end = start + selection.limit
            rows = await order.slice(start, end, descends=descends)
            if rows and end < len(found.rows):
                last = rows[-1]
                cursor = Place.after(last, await order.date(last)).cursor(sort_by, descends=descends)
    except (TimeoutError, MovedError) as error:
        if isinstance(error, MovedError) and not is_last:
            raise
        if place is not None:
            raise UpstreamUnavailableError(localized(_TOO_SLOW)) from None
        end, notes = start + selection.limit, (localized(window_notes.API_ORDER),)
        rows = (found.rows if descends else found.rows[::-1])[start:end]
    return Page(
        rows,
        found.goes_on or end < len(found.rows),
        (*notes, *found.page_notes(selection, end)),
        total=found.total,
        total_is_exact=not found.goes_on,
        next_cursor=cursor,
    )
