"""Windows: all tickets that match a query, fetched from the ticket API in one request and kept for some seconds.

Two requests with different offsets may repeat one ticket and skip another, because the existing API has no order among
equal dates; one request cannot.
Source: the observed behaviour of the existing API; cases U7 and U8.
"""

import asyncio
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final

import anyio

from shared.api_client import APIClient
from shared.errors import InvalidInputError
from shared.lru import LRUCache
from shared.tickets.models import TicketRow, parse_many
from shared.tickets.paging.list_query import Query
from shared.tickets.paging.single_tickets import SingleTickets
from shared.tickets.search.terms import text_of
from shared.tickets.sorting import Row

WINDOW: Final = 2_000
"""Maximum tickets in one window."""
FETCH_S: Final = 3.0
KEEP_S: Final = 10.0
MOST_WINDOWS: Final = 4
_ROUND: Final = 10
"""An API that silently caps `limit` caps it at a multiple of this."""
_Key = tuple[tuple[str, Any], ...]


class Window:
    """All matching tickets, or the first `WINDOW` in the API's own order, and what was read of single ones."""

    def __init__(self, api: APIClient, rows: list[Row], *, is_cut: bool, fetched_at: float, left_out: int) -> None:
        self.rows = rows
        self.left_out = left_out
        self.is_cut = is_cut
        self.fetched_at = fetched_at
        self.tickets = SingleTickets(api)

    @cached_property
    def texts(self) -> list[str]:
        """The texts of the rows in which a search looks."""
        return [text_of(row) for row in self.rows]


class TicketWindows:
    """The windows of one ticket API. `clock` is monotonic, in seconds."""

    def __init__(self, api: APIClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._fetching = anyio.Lock()
        self._windows: LRUCache[_Key, Window] = LRUCache(MOST_WINDOWS)

    def forget(self) -> None:
        """Drop all windows after a write, so that the next page is fetched anew."""
        self._windows.clear()

    async def window(self, query: Query) -> Window | None:
        """Return a window that is at most `KEEP_S` old; None if the API does not return one in time.

        Raises:
            UpstreamError: the API failed.
        """
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

    def _keep(self, key: _Key, window: Window) -> None:
        self._windows.put(key, window)
        asyncio.get_running_loop().call_later(KEEP_S, self._drop, key, window)  # idle tenants must not hold megabytes

    def _drop(self, key: _Key, window: Window) -> None:
        if self._windows.get(key) is window:
            self._windows.discard(key)

    async def _fetch(self, query: Query) -> Window:
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
