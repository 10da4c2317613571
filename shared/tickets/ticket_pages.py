"""Pages of tickets: those of the ticket API where it has an order and searches words, else cut from a window here.

A search that finds nothing says what was searched, and names the nearest tickets, so that it is not taken as proof that
there is no such ticket.
"""

from collections.abc import Sequence
from typing import Any, Final

from shared.api_client import APIClient, segment
from shared.concurrency import gather_all
from shared.errors import InvalidInputError, NotFoundError, UpstreamError
from shared.markdown import one_line
from shared.tickets.features import SEARCH_WORDS, TOTAL_ORDER, FeatureReader
from shared.tickets.pages import TicketWindows
from shared.tickets.search.terms import SearchTerms, shown
from shared.tickets.selection import TicketFilters, TicketSelection
from shared.tickets.sorting import Page, Row

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

    async def page(self, selection: TicketSelection) -> Page:
        """Return the page that is selected.

        Raises:
            UpstreamError: the API failed.
        """
        search = selection.filters.search
        terms = SearchTerms.of(search) if search is not None else None
        has_order = await self._features.has(TOTAL_ORDER)
        by_words = has_order and await self._features.has(SEARCH_WORDS)
        page = await self._select(selection, terms, by_words=by_words, has_order=has_order)
        if terms is None:
            return page
        notes = [*page.notes]
        if terms.ignored:
            notes.append(f"Searched for the first {len(terms.words)} words, not for the {terms.ignored} after them.")
        if not page.rows and selection.offset == 0:
            notes += await self._nothing_found(terms, by_words=by_words)
        return page._replace(notes=tuple(notes))

    async def _select(
        self, selection: TicketSelection, terms: SearchTerms | None, *, by_words: bool, has_order: bool
    ) -> Page:
        """Return a page; one more row is requested, so that `has_more` is certain."""
        query = _query(selection.filters)
        limit, order = selection.limit, "desc" if selection.descends else "asc"
        if by_words or (has_order and terms is None):
            if terms is not None:
                query["searchWords"] = " ".join(terms.words)
            paging: dict[str, str | int | bool] = {
                "sortBy": selection.sort_by,
                "sortOrder": order,
                "limit": limit + 1,
                "offset": selection.offset,
            }
            rows = await self._api.get("/tickets", params=query | paging)
            return Page(rows[:limit], len(rows) > limit) if isinstance(rows, list) else Page(rows, False)
        return await self._windows.page(
            query, sort_by=selection.sort_by, sort_order=order, limit=limit, offset=selection.offset, terms=terms
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


def _query(filters: TicketFilters) -> dict[str, str | bool]:
    """Return the parameters of `GET /tickets` that select by `filters`, without the search."""
    given = {
        "personInChargeId": filters.person_in_charge_id,
        "accountId": filters.account_id,
        "statusId": filters.status_ids[0] if filters.status_ids else None,
        "scheduledCompletionDateFrom": filters.due_from,
        "scheduledCompletionDateTo": filters.due_to,
        "showCompleted": filters.completed,
    }
    return {name: value for name, value in given.items() if value is not None}
