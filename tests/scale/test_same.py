"""Lists, searches and statistics return what a plain scan of every ticket finds, on both databases."""

from datetime import datetime
from typing import Any, Final, NamedTuple

import pytest

from tests.scale.client import Query, callers, list_path, statistics_path
from tests.scale.conftest import Large
from tests.scale.counts import at_random, statistics
from tests.scale.scan import Dice, Scan

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

QUERIES: Final = {"default": 200, "small-07": 300}
"""How many queries at random each tenant gets: 500 together. No test writes into these tenants."""
COUNTED: Final = {"default": 20, "small-07": 480}
"""The same for statistics, of which a scan of 100,000 tickets takes long."""
PAGE: Final = 20
ROUNDING: Final = 0.11


class Expected(NamedTuple):
    """A query, and the ids of all tickets that match it."""

    tenant: str
    query: Query
    ids: list[str]


@pytest.fixture(scope="session")
def expected(scans: dict[str, Scan]) -> list[Expected]:
    """Queries at random, and what a scan finds."""
    made = []
    for tenant, count in QUERIES.items():
        dice = Dice(scans[tenant].tenant, 15)
        for _ in range(count):
            query = dice.query()
            made.append(Expected(tenant, query, scans[tenant].find(query)))
    return made


async def test_queries_at_random_find_what_a_scan_finds(large: Large, expected: list[Expected]) -> None:
    different = []
    for tenant in QUERIES:
        async with callers(large.address, Large.key(tenant)) as (caller,):
            for _, query, ids in (one for one in expected if one.tenant == tenant):
                page = await caller.get(list_path(query))
                different += [f"{query}: {what}" for what in differences(page, ids)]
                if page["nextCursor"]:
                    page = await caller.get(list_path({**query, "cursor": page["nextCursor"]}))
                    different += [f"{query}, second page: {what}" for what in differences(page, ids, PAGE)]
    assert different == []


@pytest.fixture(scope="session")
def counted(scans: dict[str, Scan]) -> list[tuple[str, Query, Any]]:
    """Tenants, statistics at random, and what a scan counts."""
    now = datetime.now()  # noqa: DTZ005 - on the clock of the office, as the API
    return [
        (tenant, query, statistics(scans[tenant], query, now))
        for tenant, count in COUNTED.items()
        for query in at_random(scans[tenant], count, 16)
    ]


async def test_statistics_at_random_are_those_of_a_scan(large: Large, counted: list[tuple[str, Query, Any]]) -> None:
    different = []
    for tenant in COUNTED:
        async with callers(large.address, Large.key(tenant)) as (caller,):
            for _, query, right in (one for one in counted if one[0] == tenant):
                found = await caller.get(statistics_path(query))
                for group in found["groups"]:
                    group["ids"] = [key["id"] for key in group.pop("keys")]
                if without_ages(found) != without_ages(right) or ages_differ(found, right):
                    different.append(f"{query}: {found} instead of {right}")
    assert different == []


def parts_of(found: Any) -> list[dict[str, Any]]:
    return [*found["groups"], found["other"] or {}, found["total"]]


def without_ages(found: Any) -> list[dict[str, Any]]:
    return [{name: value for name, value in part.items() if name != "averageOpenDays"} for part in parts_of(found)]


def ages_differ(found: Any, right: Any) -> bool:
    """Return whether an age is wrong by more than rounding, and the time between the scan and the response."""
    ages = [[part.get("averageOpenDays") for part in parts_of(one)] for one in (found, right)]
    return any((a is None) != (b is None) or abs((a or 0) - (b or 0)) > ROUNDING for a, b in zip(*ages, strict=True))


def differences(page: Any, ids: list[str], first: int = 0) -> list[str]:
    """Return what is wrong with a page that begins with the ticket at `first`."""
    found = [row["ticketId"] for row in page["tickets"]]
    wrong = []
    if found != ids[first : first + PAGE]:
        wrong.append(f"{found} instead of {ids[first : first + PAGE]}")
    if page["total"] != len(ids) if page["totalIsExact"] else page["total"] > len(ids):
        wrong.append(f"a total of {page['total']} instead of {len(ids)}")
    if (page["nextCursor"] is not None) != (len(ids) > first + PAGE):
        wrong.append(f"the cursor {page['nextCursor']}, of {len(ids)}")
    return wrong
