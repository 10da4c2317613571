"""Windows: all tickets that match a query, fetched from the ticket API in one request and kept for some seconds.

Two requests with different offsets may repeat one ticket and skip another, because the existing API has no order among
equal dates; one request cannot. An API with a total order that refuses so large a page is read in pieces.
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
from shared.localization import localized
from shared.lru import LRUCache
from shared.tickets.features import TOTAL_ORDER, FeatureReader
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
_PIECE: Final = 200
_TRIES: Final = 3
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

    def __init__(self, api: APIClient, features: FeatureReader, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._features = features
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
        try:
            response, is_cut = await self._at_once(query)
        except InvalidInputError:
            if not await self._features.has(TOTAL_ORDER):
                raise
            response, is_cut = await self._in_pieces(query)
        rows = [row for row in response if _has_id(row)] if isinstance(response, list) else []
        if not rows:
            parse_many(TicketRow, response)  # raises, unless there are no tickets
        left_out = len(response) - len(rows)
        return Window(self._api, rows[:WINDOW], is_cut=is_cut, fetched_at=asked_at, left_out=left_out)

    async def _at_once(self, query: Query) -> tuple[Any, bool]:
        """Return all tickets, and whether there are more."""
        response = await self._api.get("/tickets", params={**query, "limit": WINDOW + 1})
        count = len(response) if isinstance(response, list) else 0
        is_capped = 0 < count <= WINDOW and count % _ROUND == 0 and bool(await self._piece(query, count, 1))
        return response, is_capped or count > WINDOW

    async def _in_pieces(self, query: Query) -> tuple[list[Row], bool]:
        """Do as `_at_once` with several requests. Raises: InvalidInputError, if tickets change too fast for that."""
        for _ in range(_TRIES):
            rows = await self._pieces(query)
            if rows is not None:
                return rows, len(rows) > WINDOW
        raise InvalidInputError(localized("The tickets change too fast to be fetched. Nothing was changed."))

    async def _pieces(self, query: Query) -> list[Row] | None:
        """Return all tickets, each piece from the last row of the one before; None if that row has moved away."""
        found: dict[str, Row] = {}
        begin = 0
        while len(found) <= WINDOW:
            piece = {row["ticketId"]: row for row in await self._piece(query, begin, _PIECE) if _has_id(row)}
            if found and next(reversed(found)) not in piece:
                return None
            found |= piece
            if len(piece) < _PIECE:
                break
            begin += _PIECE - 1
        return list(found.values())

    async def _piece(self, query: Query, offset: int, limit: int) -> Any:
        return await self._api.get("/tickets", params={**query, "limit": limit, "offset": offset})


def _has_id(row: object) -> bool:
    ticket_id = row.get("ticketId") if isinstance(row, dict) else None
    return isinstance(ticket_id, str | int) and not isinstance(ticket_id, bool) and bool(str(ticket_id).strip())
