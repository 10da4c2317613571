"""What the ticket API behind a client can do, as it says itself.

The reference API lists words in `features` of `GET /health`. An API without such a list is the existing one, which has
the traps that docs/ticket-api.md names. `FEATURES` is the one table from a word to what the tools do differently.
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
"""How long a call waits for `/health` before it goes on with what was known."""
MAX_WORDS: Final = 100

TOTAL_ORDER: Final = "total-order"
CLEAR: Final = "clear"
FEATURES: Final[Mapping[str, str]] = MappingProxyType({
    TOTAL_ORDER: "Pages are fetched as asked for: sortOrder is honoured, ties have one order. Else see pages.py.",
    CLEAR: "update_ticket empties fields by `clear` in the PUT. Else only texts can be emptied; the result says so.",
})  # fmt: skip


class FeatureReader:
    """Asks one ticket API at most once a minute what it can do.

    Args:
        api: the way to it, open.
        clock: counts seconds and never goes back.
    """

    def __init__(self, api: APIClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._asking = anyio.Lock()
        self._known: frozenset[str] = frozenset()
        self._asked_at = float("-inf")

    async def has(self, feature: str) -> bool:
        """Return whether the API lists `feature`, as it said at most `KEEP_S` ago. Never raises.

        While it does not answer, what it said last counts; before it answered once, it has no features.
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
        except (NotFoundError, InvalidInputError):  # it has no such path, so it lists nothing
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
