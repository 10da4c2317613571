"""Pages of tickets: those of the ticket API where it has an order and searches words, else cut from a window here.

A search that finds nothing says what was searched, and names the nearest tickets, so that it is not taken as proof that
there is no such ticket.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.api_client import APIClient, segment
from shared.concurrency import gather_all
from shared.errors import InvalidInputError, NotFoundError, UpstreamError
from shared.markdown import one_line
from shared.tickets.features import SEARCH_WORDS, TOTAL_ORDER, FeatureReader
from shared.tickets.pages import TicketWindows
from shared.tickets.search.terms import SearchTerms, shown
from shared.tickets.sorting import Page, Row

PAGING: Final = frozenset({"sortBy", "sortOrder", "limit", "offset"})
_SEARCHES: Final = 3
"""Words of a search that found nothing that are searched alone, the longest first."""
_OF_EACH: Final = 10
_NEWEST: Final = 100


class TicketPages:
    """The pages of one ticket API."""

    def __init__(self, api: APIClient, features: FeatureReader) -> None:
        self._api = api
        self._features = features
        self._windows = TicketWindows(api)

    def forget(self) -> None:
        """Drop what is cached after a write."""
        self._windows.forget()

    async def page(self, values: Mapping[str, Any]) -> Page:
        """Return the page that `values`, the checked arguments of a list, select.

        Raises:
            UpstreamError: the API failed.
        """
        selected = {name: value for name, value in values.items() if name != "searchQuery"}
        query = values.get("searchQuery")
        terms = SearchTerms.of(query) if query is not None else None
        has_order = await self._features.has(TOTAL_ORDER)
        by_words = has_order and await self._features.has(SEARCH_WORDS)
        page = await self._select(selected, terms, by_words=by_words, has_order=has_order)
        if terms is None:
            return page
        notes = [*page.notes]
        if terms.ignored:
            notes.append(f"Searched for the first {len(terms.words)} words, not for the {terms.ignored} after them.")
        if not page.rows and values["offset"] == 0:
            notes += await self._nothing_found(terms, by_words=by_words)
        return page._replace(notes=tuple(notes))

    async def _select(
        self, values: Mapping[str, Any], terms: SearchTerms | None, *, by_words: bool, has_order: bool
    ) -> Page:
        """Return a page; one more row is requested, so that `has_more` is certain."""
        if by_words or (has_order and terms is None):
            words = {} if terms is None else {"searchWords": " ".join(terms.words)}
            limit = values["limit"]
            rows = await self._api.get("/tickets", params={**values, **words, "limit": limit + 1})
            return Page(rows[:limit], len(rows) > limit) if isinstance(rows, list) else Page(rows, False)
        filters = {name: value for name, value in values.items() if name not in PAGING}
        return await self._windows.page(
            filters,
            sort_by=values["sortBy"],
            sort_order=values["sortOrder"],
            limit=values["limit"],
            offset=values["offset"],
            terms=terms,
        )

    async def _nothing_found(self, terms: SearchTerms, *, by_words: bool) -> list[str]:
        """Return what was searched and the nearest tickets, whatever the filters."""
        words = ", ".join(f"“{one_line(word)}”" for word in terms.words)
        more = ", description" if by_words else ""
        searched = (
            f"Searched for {words}: no ticket that fits the other arguments has every word in its summary{more}, "
            "account, requestor, person in charge, ticket id or external id."
        )
        if not by_words:
            searched += " This ticket API cannot search descriptions."
        try:
            near = terms.nearest(await self._pool(terms, by_words=by_words))
        except (UpstreamError, InvalidInputError):
            return [searched]
        return [searched, f"Nearest of all tickets: {shown(near)}." if near else "No other ticket is like it."]

    async def _pool(self, terms: SearchTerms, *, by_words: bool) -> Sequence[Row]:
        """Return tickets among which the nearest are: with one of the words, or new."""
        named = await self._ticket(terms)
        if not by_words:
            rows = await self._windows.all_rows()
        else:
            alone = sorted(terms.words, key=len, reverse=True)[:_SEARCHES]
            some = await gather_all(
                *(self._rows(searchWords=word, limit=_OF_EACH) for word in alone), self._rows(limit=_NEWEST)
            )
            rows = [row for part in some for row in part]
        return list({row["ticketId"]: row for row in (*named, *rows)}.values())

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
