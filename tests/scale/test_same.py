"""Lists and searches return what a plain scan of every ticket finds, on both databases."""

from typing import Any, Final, NamedTuple

import pytest

from tests.scale.client import Query, callers, list_path
from tests.scale.conftest import Large
from tests.scale.scan import Dice, Scan

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

QUERIES: Final = {"default": 200, "small-07": 300}
"""How many queries at random each tenant gets: 500 together. No test writes into these tenants."""
PAGE: Final = 20


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
