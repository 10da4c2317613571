"""Counts tickets by `GET /tickets/stats` of a ticket API that has it."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from shared.api_client import APIClient
from shared.concurrency import gather_all
from shared.localization import localized
from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.folding import name_key
from shared.tickets.master_data import MasterData
from shared.tickets.models import Shape, parse_one
from shared.tickets.paging.list_query import own_query
from shared.tickets.reports.measures import Counted, CountedGroup, Measures, ReportRequest, in_order
from shared.tickets.reports.shared_names import shared_names
from shared.tickets.selection import TicketSelection

_WORDS: Final[Mapping[str, str]] = MappingProxyType({"person": "personInCharge", "channel": "requestChannel"})
"""The API's words for groups, where they differ."""
_MOST: Final = 20
"""Groups that are fetched; more never fit a report."""
_MOST_OF_WEEKS: Final = 200
WEEKS: Final = 12
"""Weeks that are fetched, up to this one."""
_OF_LIST_ALONE: Final = frozenset({"sortBy", "sortOrder", "offset"})


class StatisticsCounter:
    """The numbers that one ticket API counts; `master` shows which names several have."""

    def __init__(self, api: APIClient, master: MasterData) -> None:
        self._api = api
        self._master = master

    async def counted(self, request: ReportRequest) -> Counted:
        """Return the numbers. Raises: UpstreamError."""
        query = _query(request)
        by = ",".join(_WORDS.get(one, one) for one in request.group_by)
        if "week" in request.group_by:
            total, found = await gather_all(
                self._statistics(query),
                self._statistics(_in_last_weeks(query, request.at) | {"groupBy": by, "limit": _MOST_OF_WEEKS}),
            )
        else:
            total = found = await self._statistics(query | {"groupBy": by, "limit": _MOST})
        shared = await shared_names(self._master)
        groups = [group.counted(request.at, shared) for group in found.groups or ()]
        return Counted(total.total.measures(request.at), in_order(groups, request.group_by), _notes(request.at))

    async def _statistics(self, query: dict[str, Any]) -> "_Statistics":
        response = await self._api.get("/tickets/stats", params=query)
        return _Statistics.of(response)


def _query(request: ReportRequest) -> dict[str, Any]:
    selected = own_query(TicketSelection(filters=request.filters), None, request.at)
    period = {"from": request.first, "to": request.last}
    return {
        **{name: value for name, value in selected.items() if name not in _OF_LIST_ALONE},
        **{name: day for name, day in period.items() if day is not None},
    }


def _in_last_weeks(query: dict[str, Any], at: TicketTime) -> dict[str, Any]:
    """Return the query for the newest weeks alone: of all weeks, the largest are not the newest."""
    today = at.now.astimezone(at.api_zone or at.zone).date()
    monday = today - timedelta(days=today.weekday(), weeks=WEEKS - 1)
    return query | {"receptionDateTimeFrom": str(monday)}


def _notes(at: TicketTime) -> tuple[str, ...]:
    """Say whose days count, if the ticket API has another clock than the results."""
    there = at.now.astimezone(at.api_zone or at.zone)
    if there.utcoffset() == at.now.utcoffset():
        return ()
    return (localized("Days and weeks are those of the ticket system, where it is {time}.", time=f"{there:%F %H:%M}"),)


class _Numbers(Shape):
    """Measures as the API sends them. `oldest_open` is a minute on its own clock."""

    count: int
    open: int
    overdue: int
    oldest_open: str | None = None
    average_open_days: float | None = None
    received: int | None = None
    completed: int | None = None

    def measures(self, at: TicketTime) -> Measures:
        """Return them in the zone shown."""
        return Measures(
            count=self.count,
            open=self.open,
            overdue=self.overdue,
            oldest=None if self.oldest_open is None else at.shown_minute(self.oldest_open),
            average=self.average_open_days,
            received=self.received,
            completed=self.completed,
        )


class _Key(Shape):
    by: str
    id: str
    name: str

    def shown(self, shared: frozenset[str]) -> str:
        """Return what a report calls it: a name that several have comes with its id."""
        if self.by == "week":
            return self.id
        return f"{self.name} ({self.id})" if name_key(self.name) in shared else self.name


class _Group(_Numbers):
    keys: tuple[_Key, ...]

    def counted(self, at: TicketTime, shared: frozenset[str]) -> CountedGroup:
        """Return the group as a report has it."""
        return CountedGroup(tuple(key.shown(shared) for key in self.keys), self.measures(at))


class _Statistics(Shape):
    groups: tuple[_Group, ...] | None = None
    total: _Numbers

    @classmethod
    def of(cls, response: Any) -> "_Statistics":
        """Return a response. Raises: UpstreamFaultError: it has another form."""
        return parse_one(cls, response)
