"""The master data that tickets refer to, fetched together and cached for a minute.

An id that is missing from the cached copy is looked up in a newer one before it counts as unknown, because it may have
been added since. Fetches run one at a time, however many callers miss at once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import anyio

from shared.api_client import APIClient
from shared.concurrency import together
from shared.tickets.models import CategoryDetail, MasterItem, ResponseCategory, User, parse_many

KEEP_S: Final = 60.0
_LISTS: Final = (
    "users",
    "accounts",
    "categories",
    "category-details",
    "statuses",
    "request-channels",
    "response-categories",
)


@dataclass(frozen=True, slots=True)
class MasterLists:
    """All lists, as of one moment."""

    users: tuple[User, ...]
    accounts: tuple[MasterItem, ...]
    categories: tuple[MasterItem, ...]
    category_details: tuple[CategoryDetail, ...]
    statuses: tuple[MasterItem, ...]
    request_channels: tuple[MasterItem, ...]
    response_categories: tuple[ResponseCategory, ...]


class MasterData:
    """Caches the last `MasterLists` of one API. `clock` is monotonic, in seconds."""

    def __init__(self, api: APIClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._fetching = anyio.Lock()
        self._lists: MasterLists | None = None
        self._fetched_at = 0.0

    async def lists(self, *, newer_than: MasterLists | None = None) -> MasterLists:
        """Return lists that are at most `KEEP_S` old and newer than `newer_than`.

        Raises:
            UpstreamError: they could not be fetched.
        """
        async with self._fetching:
            kept = self._lists
            if kept is not None and kept is not newer_than and self._clock() - self._fetched_at < KEEP_S:
                return kept
            asked_at = self._clock()
            self._lists = await self._fetch()
            self._fetched_at = asked_at
            return self._lists

    async def _fetch(self) -> MasterLists:
        answers = await together(*(self._api.get(f"/tickets/master/{name}") for name in _LISTS))
        users, accounts, categories, details, statuses, channels, responses = answers
        return MasterLists(
            users=parse_many(User, users),
            accounts=parse_many(MasterItem, accounts),
            categories=parse_many(MasterItem, categories),
            category_details=parse_many(CategoryDetail, details),
            statuses=parse_many(MasterItem, statuses),
            request_channels=parse_many(MasterItem, channels),
            response_categories=parse_many(ResponseCategory, responses),
        )
