"""Reads what a ticket API says about itself in `GET /health`: its features and its time zone.

The reference API lists its features in `features` and names its zone in `timeZone`. An API without that list is the
existing one, with the quirks documented in docs/ticket-api.md. `FEATURES` is the one table of what the tools do
differently for each feature.
"""

import time
from collections.abc import Callable, Mapping
from datetime import tzinfo
from types import MappingProxyType
from typing import Any, Final

import anyio

from shared.api_client import APIClient
from shared.errors import InvalidInputError, NotFoundError, UpstreamError, UpstreamPathError
from shared.telemetry import get_logger
from shared.time_zones import zone_named

log = get_logger(__name__)

KEEP_S: Final = 60.0
FIRST_S: Final = 5.0
"""Seconds until an API that has never responded is asked again."""
ASK_S: Final = 2.0
"""How long a call waits for `/health` before it uses the last known features, in seconds."""
MAX_WORDS: Final = 100

TOTAL_ORDER: Final = "total-order"
CLEAR: Final = "clear"
COMPLETION_DATE: Final = "completion-date"
SEARCH_WORDS: Final = "search-words"
SEARCH_HISTORY: Final = "search-history"
TOTAL_COUNT: Final = "total-count"
CURSOR: Final = "cursor"
SEVERAL_STATUSES: Final = "several-statuses"
CATEGORY_FILTER: Final = "category-filter"
DATE_RANGES: Final = "date-ranges"
ROW_DETAILS: Final = "row-details"
STATS: Final = "stats"
CHANGES: Final = "changes"
EXPECTED_HISTORY: Final = "expected-history"
EFFORT_INCREMENT: Final = "effort-increment"
COMMENT_VISIBILITY: Final = "comment-visibility"
HISTORY_PAGES: Final = "history-pages"
FEATURES: Final[Mapping[str, str]] = MappingProxyType({
    TOTAL_ORDER: "Pages are fetched as requested: sortOrder is honoured, ties have a fixed order. Else see paging/.",
    TOTAL_COUNT: "A page comes with the number of all matching tickets and the place of the next page.",
    CURSOR: "A page begins at a place. Else it is cut from a window, see paging/.",
    SEVERAL_STATUSES: "statusId is sent several times. Else see paging/narrowing.py.",
    CATEGORY_FILTER: "categoryId is sent. Else see paging/narrowing.py.",
    DATE_RANGES: "Dates of reception, completion and change are sent. Else see paging/narrowing.py.",
    ROW_DETAILS: "Rows show ids, completion date and last change. Else they are read from single tickets.",
    SEARCH_WORDS: "A search is sent as searchWords. Else it is done here, see search/rows.py.",
    SEARCH_HISTORY: "searchWords searches comments too; a search that finds nothing says so.",
    STATS: "Reports are counted by the API. Else from a window, see reports/.",
    CHANGES: "Changes of all tickets are one list. Else they are read from the histories of tickets, see activity/.",
    HISTORY_PAGES: "One page of a history is read. Else all of it, and the page is cut here, see histories.py.",
    COMPLETION_DATE: "A completed ticket gets a date; if the API is on another day than the zone shown, ours is sent.",
    CLEAR: "update_ticket clears fields by `clear` in the PUT. Else only texts can be cleared; the result says so.",
    EXPECTED_HISTORY: "The API compares the newest entry as it writes. Else that is read just before the write.",
    EFFORT_INCREMENT: "Hours are added by the API. Else the sum is computed here and written; the result says so.",
    COMMENT_VISIBILITY: "Comments are internal or public. Else `public` is refused.",
})  # fmt: skip


class FeatureReader:
    """Queries one ticket API for its features and its zone, at most once a minute.

    Args:
        api: its client, open.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, api: APIClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._asking = anyio.Lock()
        self._known: frozenset[str] = frozenset()
        self._zone: tzinfo | None = None
        self._ask_at = float("-inf")
        self._has_responded = False

    async def has(self, feature: str) -> bool:
        """Return whether the API listed `feature` in a response at most `KEEP_S` old. Never raises.

        While the API does not respond, its last response counts; before its first response, it has no features.
        """
        if self._clock() >= self._ask_at:
            await self._see_to()
        return feature in self._known

    async def time_zone(self) -> tzinfo | None:
        """Return the zone that the API named, under the same conditions; None if it names none."""
        if self._clock() >= self._ask_at:
            await self._see_to()
        return self._zone

    async def _see_to(self) -> None:
        async with self._asking:
            if self._clock() >= self._ask_at:
                await self._ask()

    async def _ask(self) -> None:
        asked_at = self._clock()
        try:
            with anyio.fail_after(ASK_S):
                response = await self._api.get("/health")
            self._known, self._zone, self._has_responded = _words(response), _zone(response), True
        except (NotFoundError, InvalidInputError, UpstreamPathError):  # there is no such path, so no features
            self._known, self._zone, self._has_responded = frozenset(), None, True
        except (UpstreamError, TimeoutError) as error:
            log.info("features_not_read", error=type(error).__name__)
        self._ask_at = asked_at + (KEEP_S if self._has_responded else FIRST_S)


def _words(response: Any) -> frozenset[str]:
    listed = response.get("features") if isinstance(response, dict) else None
    return (
        frozenset(one for one in listed[:MAX_WORDS] if isinstance(one, str))
        if isinstance(listed, list)
        else frozenset()
    )


def _zone(response: Any) -> tzinfo | None:
    name = response.get("timeZone") if isinstance(response, dict) else None
    try:
        return zone_named(name) if isinstance(name, str) else None
    except ValueError:
        log.warning("time_zone_unknown")
        return None
