"""Reads which features a ticket API declares.

The reference API lists them in `features` of `GET /health`. An API without that list is the existing one, with the
quirks documented in docs/ticket-api.md. `FEATURES` is the one table of what the tools do differently for each feature.
"""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import anyio

from shared.api_client import APIClient
from shared.errors import InvalidInputError, NotFoundError, UpstreamError
from shared.telemetry import get_logger

log = get_logger(__name__)

KEEP_S: Final = 60.0
ASK_S: Final = 2.0
"""How long a call waits for `/health` before it uses the last known features, in seconds."""
MAX_WORDS: Final = 100

TOTAL_ORDER: Final = "total-order"
CLEAR: Final = "clear"
SEARCH_WORDS: Final = "search-words"
FEATURES: Final[Mapping[str, str]] = MappingProxyType({
    TOTAL_ORDER: "Pages are fetched as requested: sortOrder is honoured, ties have a fixed order. Else see pages.py.",
    SEARCH_WORDS: "A search is sent as searchWords. Else it is done here, see search/rows.py.",
    CLEAR: "update_ticket clears fields by `clear` in the PUT. Else only texts can be cleared; the result says so.",
})  # fmt: skip


class FeatureReader:
    """Queries one ticket API for its features, at most once a minute.

    Args:
        api: its client, open.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, api: APIClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._asking = anyio.Lock()
        self._known: frozenset[str] = frozenset()
        self._asked_at = float("-inf")

    async def has(self, feature: str) -> bool:
        """Return whether the API listed `feature` in a response at most `KEEP_S` old. Never raises.

        While the API does not respond, its last response counts; before its first response, it has no features.
        """
        async with self._asking:
            if self._clock() - self._asked_at >= KEEP_S:
                await self._ask()
        return feature in self._known

    async def _ask(self) -> None:
        asked_at = self._clock()
        try:
            with anyio.fail_after(ASK_S):
                self._known = _words(await self._api.get("/health"))
        except (NotFoundError, InvalidInputError):  # there is no such path, so no features
            self._known = frozenset()
        except (UpstreamError, TimeoutError) as error:
            log.info("features_not_read", error=type(error).__name__)
        self._asked_at = asked_at


def _words(response: Any) -> frozenset[str]:
    listed = response.get("features") if isinstance(response, dict) else None
    return (
        frozenset(one for one in listed[:MAX_WORDS] if isinstance(one, str))
        if isinstance(listed, list)
        else frozenset()
    )
