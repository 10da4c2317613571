"""Pages of tickets: those of the ticket API where it has an order and searches words, else cut from a window here.

A search that finds nothing says what was searched, and names the nearest tickets, so that it is not taken as proof that
there is no such ticket.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from shared.api_client import APIClient, segment
from shared.concurrency import gather_all
from shared.errors import InvalidInputError, NotFoundError, UpstreamError
from shared.localization import localized
from shared.markdown import one_line
from shared.tickets.dates.ticket_calendar import TicketCalendar
from shared.tickets.features import ROW_DETAILS, SEARCH_HISTORY, TOTAL_COUNT, FeatureReader
from shared.tickets.master_data import MasterData
from shared.tickets.models import TicketRow, parse_many
from shared.tickets.paging.cursor import not_a_cursor
from shared.tickets.paging.details import with_details
from shared.tickets.paging.list_query import RECEPTION, Query, needed, own_query
from shared.tickets.paging.narrowing import Narrowing
from shared.tickets.paging.window_pages import FoundRows, WindowPages
from shared.tickets.paging.windows import TicketWindows, Window
from shared.tickets.search.terms import MAX_ALONE, SearchTerms, shown
from shared.tickets.selection import TicketFilters, TicketSelection
from shared.tickets.sorting import Page, Row

_OF_EACH: Final = 10
_NEWEST: Final = 100


class TicketPages:
    """The pages of one ticket API.

    Args:
        api: its client, open.
        features: what it says about itself.
        master: its master data.
        calendar: gives the time of a call.
        completed_id: id of the status that means completed.
    """

    def __init__(
        self,
        api: APIClient,
        features: FeatureReader,
        master: MasterData,
        calendar: TicketCalendar,
        *,
        completed_id: str,
    ) -> None:
        self._api = api
        self._features = features
        self._master = master
        self._calendar = calendar
        self._windows = TicketWindows(api, features)
        self._cut = WindowPages(api, self._windows, completed_id=completed_id)

    def forget(self) -> None:
        """Drop what is cached after a write."""
        self._windows.forget()

    async def newest(self) -> Window | None:
        """Return all tickets, or the newest that a window holds; None if the API does not return them in time.

        Raises:
            UpstreamError: the API failed.
        """
        return await self._windows.window({"showCompleted": True, "sortBy": RECEPTION})

    async def page(self, selection: TicketSelection) -> Page:
        """Return the page that is selected: the API's own where it can cut it, else one that is cut here.

        Raises:
            InvalidInputError: the cursor is not valid; or this API cannot filter so, which the error explains.
            UpstreamError: the API failed.
        """
        search = selection.filters.search
        terms = SearchTerms.of(search) if search is not None else None
        at = await self._calendar.time()
        if is_own := await self._has(needed(selection)):
            page = await self._own_page(selection, own_query(selection, terms, at))
        else:
            page = await self._cut.page(
                selection, Narrowing(filters=selection.filters, master=self._master, at=at), terms
            )
        if not await self._features.has(ROW_DETAILS):
            page = await with_details(self._api, page, selection.fields, at)
        return page if terms is None else await self._searched(page, selection, terms, by_words=is_own)

    async def whole(self, filters: TicketFilters) -> FoundRows | None:
        """Return the rows of all tickets that match, as far as a window shows; None if the API returns no window.

        Raises:
            InvalidInputError: this API cannot filter so, which the error explains.
            UpstreamError: the API failed.
        """
        narrowing = Narrowing(filters=filters, master=self._master, at=await self._calendar.time())
        return await self._cut.whole(TicketSelection(filters=filters), narrowing)

    async def _has(self, features: Collection[str]) -> bool:
        return all([await self._features.has(one) for one in features])

    async def _own_page(self, selection: TicketSelection, query: Query) -> Page:
        """Return a page as the API cuts it; without totals, one more row is requested, to see whether more follow."""
        limit = selection.limit
        if not await self._features.has(TOTAL_COUNT):
            rows = _listed(await self._api.get("/tickets", params=query | {"limit": limit + 1}))
            return Page(rows[:limit], len(rows) > limit)
        try:
            response = await self._api.get("/tickets", params=query | {"limit": limit, "envelope": True})
        except InvalidInputError as error:
            if error.field == "cursor":
                raise InvalidInputError.of([not_a_cursor()]) from error
            raise
        return _enveloped(response)

    async def _searched(self, page: Page, selection: TicketSelection, terms: SearchTerms, *, by_words: bool) -> Page:
        """Return the page with what to know of its search."""
        notes = [*page.notes]
        if terms.ignored:
            note = localized(
                "Searched for the first {count} words, not for the {ignored} after them.",
                count=len(terms.words),
                ignored=terms.ignored,
            )
            notes.append(note)
        if not page.rows and selection.offset == 0 and selection.cursor is None:
            notes += await self._nothing_found(terms, by_words=by_words, are_all=page.total is not None)
        return page._replace(notes=tuple(notes))

    async def _nothing_found(self, terms: SearchTerms, *, by_words: bool, are_all: bool) -> list[str]:
        """Return what was searched and the nearest tickets, whatever the filters; `are_all`: in all that fit them."""
        more = localized(", description") if by_words else ""
        if by_words and await self._features.has(SEARCH_HISTORY):
            more += localized(", newest comments")
        searched = localized(
            "Searched for {words}: no ticket that {which} has every word in its summary{more}, account, requestor, "
            "person in charge, ticket id or external id.",
            words=localized(", ").join(localized("“{word}”", word=one_line(word)) for word in terms.words),
            which=localized("fits the other arguments" if are_all else "was searched"),
            more=more,
        )
        if not by_words:
            searched += localized(" This ticket API cannot search descriptions.")
        try:
            near = terms.nearest(*await self._pool(terms, by_words=by_words))
        except (UpstreamError, InvalidInputError):
            return [searched]
        if not near:
            return [searched, localized("No other ticket is like it.")]
        return [searched, localized("Nearest of all tickets: {tickets}.", tickets=shown(near))]

    async def _pool(self, terms: SearchTerms, *, by_words: bool) -> tuple[Sequence[Row], Mapping[str, set[str]]]:
        """Return tickets among which the nearest are, and the words by which the API found them, by ticket id.

        They have one of the words, or are new.
        """
        pool = {row["ticketId"]: row for row in await self._ticket(terms)}
        found: defaultdict[str, set[str]] = defaultdict(set)
        if not by_words:
            window = await self.newest()
            pool |= {row["ticketId"]: row for row in (window.rows if window is not None else ())}
            return list(pool.values()), found
        alone = sorted(terms.words, key=len, reverse=True)[:MAX_ALONE]
        *some, newest = await gather_all(
            *(self._rows(searchWords=word, limit=_OF_EACH) for word in alone), self._rows(limit=_NEWEST)
        )
        for word, rows in zip(alone, some, strict=True):
            for row in rows:
                pool[row["ticketId"]] = row
                found[row["ticketId"]].add(word)
        return list((pool | {row["ticketId"]: row for row in newest}).values()), found

    async def _rows(self, **query: Any) -> list[Row]:
        rows = await self._api.get("/tickets", params={**query, "showCompleted": True})
        return [row for row in rows if isinstance(row, dict) and row.get("ticketId")] if isinstance(rows, list) else []

    async def _ticket(self, terms: SearchTerms) -> list[Row]:
        """Return the ticket whose id is all that is searched for; another argument, or a window, may leave it out."""
        (first, *rest) = terms.words
        if rest or not first.startswith("tck-"):
            return []
        try:
            ticket = await self._api.get(f"/tickets/{segment(first.upper())}")
        except NotFoundError:
            return []
        return [{**ticket, "ticketId": ticket["id"]}] if isinstance(ticket, dict) and ticket.get("id") else []


def _enveloped(response: Any) -> Page:
    """Return the page in an envelope. Raises: UpstreamFaultError."""
    envelope = response if isinstance(response, dict) else {}
    total, cursor = envelope.get("total"), envelope.get("nextCursor")
    has_total, has_more = type(total) is int and total >= 0, isinstance(cursor, str)
    return Page(
        _listed(envelope.get("tickets")),
        has_more,
        total=total if has_total else None,
        total_is_exact=envelope.get("totalIsExact") is not False,
        next_cursor=cursor if has_more else None,
    )


def _listed(rows: Any) -> list[Any]:
    """Return the rows of a list. Raises: UpstreamFaultError, if it is not a list."""
    if not isinstance(rows, list):
        parse_many(TicketRow, rows)
    return list(rows)
