"""The master data that tickets refer to, fetched together and cached for a minute.

An id that is missing from the cached copy is looked up in a newer one before it counts as unknown, because it may have
been added since. Fetches run one at a time, however many callers miss at once.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import anyio

from shared.api_client import APIClient
from shared.concurrency import gather_all
from shared.tickets.folding import name_key
from shared.tickets.master_lists import MASTER_LISTS, USERS, ItemT, MasterList
from shared.tickets.models import User, parse_many

KEEP_S: Final = 60.0


class MasterLists:
    """All lists, as of one moment."""

    def __init__(self, items: Mapping[MasterList[Any], tuple[Any, ...]]) -> None:
        self._items = items

    def __getitem__(self, one: MasterList[ItemT]) -> tuple[ItemT, ...]:
        return self._items[one]

    @cached_property
    def shared_names(self) -> frozenset[str]:
        """The names, as `name_key` writes them, that several users have."""
        times = Counter(name_key(user.name) for user in self[USERS])
        return frozenset(key for key, number in times.items() if number > 1)

    @cached_property
    def users_by_email(self) -> Mapping[str, Sequence[User]]:
        """The users who have an e-mail address, by `email_key` of it."""
        users: dict[str, list[User]] = {}
        for user in self[USERS]:
            users.setdefault(email_key(user.email), []).append(user)
        users.pop("", None)
        return users


def email_key(email: str | None) -> str:
    """Return an e-mail address as it is compared."""
    return (email or "").strip().casefold()


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
        if (kept := self._kept(newer_than)) is not None:
            return kept
        async with self._fetching:
            if (kept := self._kept(newer_than)) is not None:
                return kept
            asked_at = self._clock()
            self._lists = await self._fetch()
            self._fetched_at = asked_at
            return self._lists

    def _kept(self, newer_than: MasterLists | None) -> MasterLists | None:
        is_fresh = self._lists is not newer_than and self._clock() - self._fetched_at < KEEP_S
        return self._lists if is_fresh else None

    async def _fetch(self) -> MasterLists:
        responses = await gather_all(*(self._api.get(one.path) for one in MASTER_LISTS))
        return MasterLists(
            {one: parse_many(one.item, response) for one, response in zip(MASTER_LISTS, responses, strict=True)}
        )
