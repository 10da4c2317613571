"""The route of numbers of tickets."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from ticket_api.http.models.queries import StatisticsQuery
from ticket_api.http.models.responses import GroupKey, Measures, Statistics, TicketGroup
from ticket_api.http.openapi import failures
from ticket_api.http.routing import ReadingRoute, each, respond_in_tenant
from ticket_api.store import statistics
from ticket_api.store.connection import TenantConnection
from ticket_api.store.statistics import NUMBERS, Group
from ticket_api.times import show_minute, wall_clock

statistics_routes = APIRouter(tags=["tickets"], dependencies=each, route_class=ReadingRoute)
DAY_S = 86_400


@statistics_routes.get(
    "/tickets/stats", operation_id="countTickets", response_model=Statistics, responses=failures(400, 401, 503)
)
async def count_tickets(request: Request, query: Annotated[StatisticsQuery, Query()]) -> Response:
    """Count the tickets that match the filters, together and by group: how many, open, overdue, how old."""
    now = wall_clock(request.app.state.clock())

    def read(db: TenantConnection) -> Statistics:
        largest, rest = statistics.by_group(db, query, now.date())
        shown = largest if query.groups else []
        keys = _keys(db, query, shown)

        def measure(*these: Group) -> Measures:
            return _measures(these, now, has_period=query.has_period)

        return Statistics(
            groups=[TicketGroup(keys=keys[place], **dict(measure(group))) for place, group in enumerate(shown)],
            other=measure(rest) if rest.numbers["count"] else None,
            total=measure(*largest, rest),
        )

    return await respond_in_tenant(request, read)


def _keys(db: TenantConnection, query: StatisticsQuery, groups: Sequence[Group]) -> list[list[GroupKey]]:
    """Return the keys of each group."""
    names = {}
    for place, by in enumerate(query.groups):
        ids = sorted({group.ids[place] for group in groups})
        names[by] = {id_: _week(id_) for id_ in ids} if by == "week" else statistics.names(db, by, ids)
    return [
        [GroupKey(by=by, id=id_, name=names[by][id_]) for by, id_ in zip(query.groups, group.ids, strict=True)]
        for group in groups
    ]


def _week(monday: str) -> str:
    year, week, _ = date.fromisoformat(monday).isocalendar()
    return f"{year:04}-W{week:02}"


def _measures(groups: Sequence[Group], now: datetime, *, has_period: bool) -> Measures:
    """Return the measures of groups together. Ages are differences on the office's clock."""
    numbers = {name: sum(group.numbers[name] for group in groups) for name in NUMBERS}
    oldest = min((group.oldest for group in groups if group.oldest is not None), default=None)
    age = None
    if numbers["open"]:
        age = round((now.replace(tzinfo=UTC).timestamp() - numbers["seconds"] / numbers["open"]) / DAY_S, 1)
    return Measures(
        count=numbers["count"],
        open=numbers["open"],
        overdue=numbers["overdue"],
        oldest_open=None if oldest is None else show_minute(oldest),
        average_open_days=age,
        received=numbers["received"] if has_period else None,
        completed=numbers["completed"] if has_period else None,
    )
