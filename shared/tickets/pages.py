"""Consistent pages over a ticket API that ignores `sortOrder` and has no order among equal dates.

Two requests to it with different offsets may repeat one ticket and skip another. So all matching tickets are fetched in
one request and sorted here, with the ticket id as the last key; pages are cut from that window. Rows show no completion
date, so for that order `shared.tickets.completion_order` reads the dates that a page needs.
Source: the observed behaviour of the existing API; cases U7 and U8.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import anyio

from shared.api_client import APIClient
from shared.errors import InvalidInputError
from shared.lru import LRUCache
from shared.tickets.completion_order import CompletionOrder
from shared.tickets.models import TicketRow, parse_many
from shared.tickets.search.rows import AS_ONE_PIECE, found_rows, literal_rows
from shared.tickets.search.terms import SearchTerms, escaped, has_wildcard, text_of
from shared.tickets.sorting import Page, Row, in_order

WINDOW: Final = 2_000
"""Maximum tickets in one window."""
FETCH_S: Final = 3.0
KEEP_S: Final = 10.0
MOST_WINDOWS: Final = 4
_ROUND: Final = 10
"""An API that silently caps `limit` caps it at a multiple of this."""
_NOT_SORTABLE: Final = (
    "This ticket API does not return all matching tickets at once, so they could not be sorted here: pages come "
    "latest first whatever sortOrder says, and may repeat or miss tickets with equal dates."
)


class _Wanted(NamedTuple):
    """Which page is wanted, in which order."""

    sort_by: str
    descends: bool
    offset: int
    limit: int


class Window:
    """All matching tickets, or the first `WINDOW` in the API's own order, and their order by completion date."""

    def __init__(self, api: APIClient, rows: list[Row], *, is_cut: bool, fetched_at: float) -> None:
        self.rows = rows
        self.is_cut = is_cut
        self.fetched_at = fetched_at
        self.by_completion = CompletionOrder(api, rows)

    @cached_property
    def texts(self) -> list[str]:
        """The texts of the rows in which a search looks."""
        return [text_of(row) for row in self.rows]


class TicketWindows:
    """Cuts pages for one ticket API. `clock` is monotonic, in seconds."""

    def __init__(self, api: APIClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._fetching = anyio.Lock()
        self._windows: LRUCache[tuple[tuple[str, Any], ...], Window] = LRUCache(MOST_WINDOWS)

    def forget(self) -> None:
        """Drop all windows after a write, so that the next page is fetched anew."""
        self._windows.clear()

    async def page(
        self,
        filters: Mapping[str, Any],
        *,
        sort_by: str,
        sort_order: str,
        limit: int,
        offset: int,
        terms: SearchTerms | None = None,
    ) -> Page:
        """Return one page of the tickets selected by `filters` (the API's own names) that have all `terms`.

        Raises:
            UpstreamError: the API failed.
        """
        query = {**filters, "sortBy": sort_by}
        wanted = _Wanted(sort_by, sort_order == "desc", offset, limit)
        window = await self._window(query)
        if terms is not None:
            return await self._found(window, query, terms, wanted)
        if window is None or (window.is_cut and offset + limit > len(window.rows)):
            return await self._own_page(query, wanted, _NOT_SORTABLE if window is None else _beyond(len(window.rows)))
        return await self._cut(window, wanted)

    async def all_rows(self) -> Sequence[Row]:
        """Return the newest tickets that one window holds, completed ones too."""
        window = await self._window({"showCompleted": True, "sortBy": "receptionDateTime"})
        return window.rows if window is not None else ()

    async def _own_page(self, query: Mapping[str, Any], wanted: _Wanted, note: str) -> Page:
        """Return a page as the API itself cuts it."""
        limit = wanted.limit
        response = await self._api.get("/tickets", params={**query, "limit": limit + 1, "offset": wanted.offset})
        rows = list(response) if isinstance(response, list) else response
        return Page(rows[:limit], len(rows) > limit, (note,))

    async def _cut(self, window: Window, wanted: _Wanted) -> Page:
        descends, end = wanted.descends, wanted.offset + wanted.limit
        notes: tuple[str, ...] = ()
        if wanted.sort_by == "completionDate":
            rows, notes = await window.by_completion.slice(wanted.offset, end, descends=descends)
        else:
            rows = in_order(window.rows, wanted.sort_by, descends=descends)[wanted.offset : end]
        if window.is_cut and not (descends and wanted.sort_by == "receptionDateTime"):
            notes = (*notes, _sorted_among(len(window.rows), wanted.sort_by))
        return Page(rows, window.is_cut or end < len(window.rows), notes)

    async def _found(
        self, window: Window | None, query: Mapping[str, Any], terms: SearchTerms, wanted: _Wanted
    ) -> Page:
        """Return a page of the tickets with all terms: those of the window, and what the API itself finds."""
        if window is None:
            page = await self._own_page({**query, "searchQuery": escaped(terms.phrase)}, wanted, AS_ONE_PIECE)
            return literal_rows(page, terms.phrase) if has_wildcard(terms.phrase) else page
        piece = terms.longest if window.is_cut else terms.phrase
        own = await self._window({**query, "searchQuery": escaped(piece)})
        rows, notes = found_rows(window, own, terms, piece)
        found = Window(self._api, rows, is_cut=False, fetched_at=window.fetched_at)
        page = await self._cut(found, wanted)
        return page._replace(notes=(*page.notes, *notes))

    async def _window(self, query: Mapping[str, Any]) -> Window | None:
        """Return a window that is at most `KEEP_S` old; None if the API does not return one in time."""
        key = tuple(sorted(query.items()))
        try:
            with anyio.fail_after(FETCH_S):
                async with self._fetching:
                    kept = self._windows.get(key)
                    if kept is None or self._clock() - kept.fetched_at >= KEEP_S:
                        kept = await self._fetch(query)
                        self._keep(key, kept)
                    return kept
        except (TimeoutError, InvalidInputError):  # too slow, or the API refuses such a high limit
            return None

    def _keep(self, key: tuple[tuple[str, Any], ...], window: Window) -> None:
        self._windows.put(key, window)
        asyncio.get_running_loop().call_later(KEEP_S, self._drop, key, window)  # idle tenants must not hold megabytes

    def _drop(self, key: tuple[tuple[str, Any], ...], window: Window) -> None:
        if self._windows.get(key) is window:
            self._windows.discard(key)

    async def _fetch(self, query: Mapping[str, Any]) -> Window:
        asked_at = self._clock()
        response = await self._api.get("/tickets", params={**query, "limit": WINDOW + 1})
        if not isinstance(response, list) or not all(isinstance(row, dict) and row.get("ticketId") for row in response):
            parse_many(TicketRow, response)  # raises
        is_cut = len(response) > WINDOW
        if response and not is_cut and len(response) % _ROUND == 0:
            is_cut = bool(await self._api.get("/tickets", params={**query, "limit": 1, "offset": len(response)}))
        return Window(self._api, response[:WINDOW], is_cut=is_cut, fetched_at=asked_at)


def _beyond(held: int) -> str:
    return (
        f"More than {held:,} tickets match, and this ticket API cannot sort: beyond the first {held:,}, pages come "
        "latest first and may repeat or miss tickets with equal dates. Narrow the list by person, account, status, due "
        "date or searchQuery."
    )


def _sorted_among(held: int, sort_by: str) -> str:
    return (
        f"More than {held:,} tickets match, and this ticket API cannot sort: this page is sorted only among the "
        f"{held:,} that it lists first by {sort_by}. Narrow the list by person, account, status, due date or "
        "searchQuery."
    )
