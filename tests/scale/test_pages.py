"""The pages of a walk together have every ticket once, while two processes write."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, Final

import pytest

from tests.processes import ticket_api
from tests.scale.client import Caller, Query, callers, list_path
from tests.scale.conftest import Large
from tests.scale.queries import ORDERS
from tests.scale.scan import Scan

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

TENANT: Final = "small-08"
CHANGED: Final = 10
"""Every tenth ticket gets other dates while pages are read, and may be missed or seen again."""
FILTERS: Final[tuple[Query, ...]] = (
    {"showCompleted": "true"},
    {"showCompleted": "true", "searchWords": "お客様"},
    {"statusId": ["stat2", "stat4"], "showCompleted": "true", "searchWords": "e"},
)
NEW: Final = {
    "requestorId": "user1", "accountId": "acc1", "categoryId": "cat1", "categoryDetailId": "catd1",
    "requestChannelId": "ch1", "personInChargeId": "user1", "statusId": "stat2",
    "summary": "お客様: made while pages are read", "description": "A new ticket.",
}  # fmt: skip


async def write(caller: Caller, first: int, written: list[str]) -> None:
    """Create tickets, change the dates of every tenth, and comment on others, until cancelled."""
    for turn in count(first):
        ticket = f"TCK-{1 + turn * 37 % 1000:04}"
        changed = f"TCK-{CHANGED * (1 + turn * 7 % 100):04}"
        day = f"2026-{1 + turn % 12:02}-{1 + turn % 28:02}"
        dates = {"scheduledCompletionDate": day, "updatedById": "user1"}
        for method, path, body in (
            ("POST", "/tickets", {**NEW, "receptionDateTime": f"{day} 09:00"}),
            ("PUT", f"/tickets/{changed}", dates | ({} if turn % 3 else {"clear": ["completionDate"]})),
            ("POST", f"/tickets/{ticket}/history", {"userId": "user1", "comment": "Written meanwhile."}),
        ):
            status, answer = await caller.send(method, path, body)
            assert status in {200, 201}, answer
            written.append(path)


@asynccontextmanager
async def two_writers(large: Large) -> AsyncIterator[list[str]]:
    """Write through two processes until the block ends; yield the paths that were written to."""
    written: list[str] = []
    key = Large.key(TENANT)
    with ticket_api(large.url) as other:
        async with callers(large.address, key) as (one,), callers(other, key) as (two,):
            writers = [asyncio.create_task(write(caller, first, written)) for caller, first in ((one, 0), (two, 5_000))]
            try:
                yield written
            finally:
                for writer in writers:
                    writer.cancel()
                for writer in writers:
                    with suppress(asyncio.CancelledError):
                        await writer


async def walk(caller: Caller, query: Query) -> AsyncIterator[str]:
    """Yield the ids of all pages."""
    more: dict[str, Any] = {}
    while True:
        page = await caller.get(list_path({**query, "limit": "50", **more}))
        for row in page["tickets"]:
            yield row["ticketId"]
        if page["nextCursor"] is None:
            return
        more = {"cursor": page["nextCursor"]}


async def test_pages_together_have_every_ticket_once_while_two_processes_write(
    large: Large, scans: dict[str, Scan]
) -> None:
    wrong = []
    async with two_writers(large) as written, callers(large.address, Large.key(TENANT)) as (caller,):
        for query in ({**some, **order} for some in FILTERS for order in ORDERS):
            steady = [id_ for id_ in scans[TENANT].find(query) if int(id_[4:]) % CHANGED]
            seen = [id_ async for id_ in walk(caller, query)]
            left_alone = set(steady)
            if [id_ for id_ in seen if id_ in left_alone] != steady:
                wrong.append(f"{query}: {len(seen)} seen, {len(set(seen))} different, {len(steady)} left alone")
    assert wrong == []
    assert {path.rpartition("/")[2] for path in written} >= {"tickets", "history"}, "something was written meanwhile"
