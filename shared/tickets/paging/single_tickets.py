"""Reads of single tickets what the rows of a list do not show: completion date, ids, and when a ticket last changed.

A ticket last changed at its newest history entry, or else when it was received: no API says when it was created.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType
from typing import Any, Final

import anyio

from shared.api_client import APIClient, segment
from shared.concurrency import gather_all
from shared.errors import NotFoundError
from shared.tickets.models import HistoryEntry, Ticket, parse_many, parse_one

READ_S: Final = 5.0
"""How long a page waits for single tickets, in seconds."""
AT_ONCE: Final = 16
_IN_TICKET: Final[Mapping[str, str]] = MappingProxyType({
    "completionDate": "completion_date", "requestorId": "requestor_id", "accountId": "account_id",
    "categoryId": "category_id", "categoryDetailId": "category_detail_id", "personInChargeId": "person_in_charge_id",
    "statusId": "status_id", "requestChannelId": "request_channel_id", "requestChannelName": "request_channel_name",
})  # fmt: skip
UPDATED_AT: Final = "updatedAt"
DETAILS: Final = frozenset({*_IN_TICKET, UPDATED_AT})
"""Fields of a row that the lists of an API may lack, by the names of the reference API."""

Facts = Mapping[str, str | None]


class SingleTickets:
    """What was read of single tickets, each at most once."""

    def __init__(self, api: APIClient) -> None:
        self._api = api
        self._facts: dict[str, Facts] = {}
        self._changed: dict[str, datetime | None] = {}

    async def facts(self, ids: Iterable[str]) -> Mapping[str, Facts]:
        """Return all `DETAILS` but the last for each ticket; nothing for one that was deleted a moment ago.

        Raises:
            UpstreamError: a ticket could not be read.
        """
        await self._read(ids, self._facts, self._ticket)
        return self._facts

    async def changed(self, ids: Iterable[str]) -> Mapping[str, datetime | None]:
        """Return the moment of the newest history entry of each ticket, None without one.

        Raises:
            UpstreamError: a history could not be read.
        """
        await self._read(ids, self._changed, self._newest_entry)
        return self._changed

    async def _read(self, ids: Iterable[str], held: dict[str, Any], read: Callable[[str], Awaitable[Any]]) -> None:
        missing = [one for one in dict.fromkeys(ids) if one not in held]
        places = anyio.CapacityLimiter(AT_ONCE)

        async def keep(one: str) -> None:
            async with places:
                held[one] = await read(one)

        await gather_all(*map(keep, missing))

    async def _ticket(self, ticket_id: str) -> Facts:
        try:
            ticket = parse_one(Ticket, await self._api.get(f"/tickets/{segment(str(ticket_id))}"))
        except NotFoundError:
            return {}
        return {name: getattr(ticket, attribute) or None for name, attribute in _IN_TICKET.items()}

    async def _newest_entry(self, ticket_id: str) -> datetime | None:
        try:
            entries = parse_many(HistoryEntry, await self._api.get(f"/tickets/{segment(str(ticket_id))}/history"))
        except NotFoundError:
            return None
        return max((one for entry in entries if (one := moment_of(entry.timestamp)) is not None), default=None)


def in_time() -> AbstractContextManager[anyio.CancelScope]:
    """Return what limits the reads of one page to `READ_S`; use it with `with`. Raises: TimeoutError, at its end."""
    return anyio.fail_after(READ_S)


def moment_of(text: object, zone: tzinfo = UTC) -> datetime | None:
    """Return ISO 8601, in `zone` unless it has an offset, as a moment; None for anything else."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=zone)
