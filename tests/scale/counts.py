"""What statistics must be, counted ticket by ticket, and statistics at random. Shares no code with the API."""

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from tests.scale.client import Query
from tests.scale.rows import STATUSES, Ticket
from tests.scale.scan import Dice, Scan

KEYS: Final[Mapping[str, Callable[[Ticket], str]]] = {
    "status": lambda one: one.status,
    "category": lambda one: f"cat{one.category}",
    "personInCharge": lambda one: f"user{one.person}",
    "account": lambda one: f"acc{one.account}",
    "requestChannel": lambda _: "ch1",
    "week": lambda one: str(one.received.date() - timedelta(days=one.received.weekday())),
}
SHOWN: Final = 50
"""The default of `limit`."""


def statistics(scan: Scan, query: Query, now: datetime) -> dict[str, Any]:
    """Return the response to `query` at `now`, without names."""
    by_id = {one.id: one for one in scan.tenant.tickets}
    matching = [by_id[id_] for id_ in scan.find({"showCompleted": "true", **query})]
    by = query["groupBy"].split(",") if "groupBy" in query else []
    groups: dict[tuple[str, ...], list[Ticket]] = defaultdict(list)
    for one in matching:
        groups[tuple(KEYS[name](one) for name in by)].append(one)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    shown = ordered[: int(query.get("limit", SHOWN))] if by else []
    rest = [one for _, members in ordered[len(shown) :] for one in members] if by else []
    return {
        "groups": [{"ids": list(ids), **measures(members, query, now)} for ids, members in shown],
        "other": measures(rest, query, now) if rest else None,
        "total": measures(matching, query, now),
    }


def measures(tickets: Sequence[Ticket], query: Query, now: datetime) -> dict[str, Any]:
    """Return the numbers of these tickets."""
    open_ = [one for one in tickets if not STATUSES[one.status]]
    ages = sum((now - one.received for one in open_), timedelta())
    has_period = "from" in query or "to" in query

    def within(day: date | None) -> bool:
        return day is not None and query.get("from", "0") <= str(day) <= query.get("to", "9")

    return {
        "count": len(tickets),
        "open": len(open_),
        "overdue": sum(one.due is not None and one.due < now.date() for one in open_),
        "oldestOpen": f"{min(one.received for one in open_):%Y-%m-%d %H:%M}" if open_ else None,
        "averageOpenDays": round(ages / len(open_) / timedelta(days=1), 1) if open_ else None,
        "received": sum(within(one.received.date()) for one in tickets) if has_period else None,
        "completed": sum(STATUSES[one.status] and within(one.completed) for one in tickets) if has_period else None,
    }


def at_random(scan: Scan, count: int, seed: int) -> list[dict[str, Any]]:
    """Return queries of statistics with groups, periods, filters and words; the same for the same seed."""
    dice, queries = random.Random(seed), Dice(scan.tenant, seed)  # noqa: S311 - test data
    made = []
    for _ in range(count):
        query = queries.query() if dice.random() < 0.6 else {}
        for name in ("sortBy", "sortOrder"):
            query.pop(name, None)
        groups = dice.sample(list(KEYS), dice.choice((0, 1, 2, 2)))
        first = datetime.combine(dice.choice(scan.tenant.tickets).received, time())
        last = first + timedelta(days=dice.choice((0, 6, 30, 400)))
        query |= {"groupBy": ",".join(groups)} if groups else {}
        query |= {"from": str(first.date())} if dice.random() < 0.5 else {}
        query |= {"to": str(last.date())} if dice.random() < 0.5 else {}
        query |= {"limit": str(dice.choice((1, 10, 200)))} if dice.random() < 0.5 else {}
        made.append(query)
    return made
