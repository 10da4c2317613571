"""Consistent pages over a ticket API that ignores `sortOrder` and has no order among equal dates.

Two requests to it with different offsets may repeat one ticket and skip another. So all matching tickets are fetched in
one request and sorted here, with the ticket id as the last key; pages are cut from that window. Rows show no completion
date, so for that order `shared.tickets.completion_order` reads the dates that a page needs.
Source: the observed behaviour of the existing API; cases U7 and U8.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import anyio

from shared.api_client import APIClient
from shared.errors import InvalidInputError
from shared.lru import LRUCache
from shared.tickets.completion_order import CompletionOrder
from shared.tickets.models import TicketRow, parse_many
from shared.tickets.sorting import Page, Row, in_order
from shared.tickets.unreadable import left_out_notes

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


class Window:
    """All matching tickets, or the first `WINDOW` in the API's own order, and their order by completion date."""

    def __init__(self, api: APIClient, rows: list[Row], *, is_cut: bool, fetched_at: float, left_out: int) -> None:
        self.rows = rows
        self.left_out = left_out
        self.is_cut = is_cut
        self.fetched_at = fetched_at
        self.by_completion = CompletionOrder(api, rows)


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

    async def page(self, filters: Mapping[str, Any], *, sort_by: str, sort_order: str, limit: int, offset: int) -> Page:
        """Return one page of the tickets selected by `filters` (the API's own names).

        Raises:
            UpstreamError: the API failed.
        """
        query = {**filters, "sortBy": sort_by}
        window = await self._window(query)
        if window is None or (window.is_cut and offset + limit > len(window.rows)):
            response = await self._api.get("/tickets", params={**query, "limit": limit + 1, "offset": offset})
            rows = list(response) if isinstance(response, list) else response
            note = _NOT_SORTABLE if window is None else _beyond(len(window.rows))
            return Page(rows[:limit], len(rows) > limit, (note,))
        descends, end = sort_order == "desc", offset + limit
        notes: tuple[str, ...] = ()
        if sort_by == "completionDate":
            rows, notes = await window.by_completion.slice(offset, end, descends=descends)
        else:
            rows = in_order(window.rows, sort_by, descends=descends)[offset:end]
        notes = (*notes, *left_out_notes(window.left_out))
        if window.is_cut and not (descends and sort_by == "receptionDateTime"):
            notes = (*notes, _sorted_among(len(window.rows), sort_by))
        return Page(rows, window.is_cut or end < len(window.rows), notes)

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
        rows = [row for row in response if _has_id(row)] if isinstance(response, list) else []
        if not rows:
            parse_many(TicketRow, response)  # raises, unless there are no tickets
        is_cut = len(response) > WINDOW
        if response and not is_cut and len(response) % _ROUND == 0:
            is_cut = bool(await self._api.get("/tickets", params={**query, "limit": 1, "offset": len(response)}))
        left_out = len(response) - len(rows)
        return Window(self._api, rows[:WINDOW], is_cut=is_cut, fetched_at=asked_at, left_out=left_out)


def _has_id(row: object) -> bool:
    ticket_id = row.get("ticketId") if isinstance(row, dict) else None
    return isinstance(ticket_id, str | int) and not isinstance(ticket_id, bool) and bool(str(ticket_id).strip())


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
