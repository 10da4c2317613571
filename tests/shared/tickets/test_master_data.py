"""Master data is fetched together, cached for a minute, and refreshed once for a miss."""

from pathlib import Path

import anyio
import pytest

from shared.errors import InvalidInputError
from shared.tickets.acting_user import ToolCall
from shared.tickets.master_data import KEEP_S, MasterData
from shared.tickets.references import check
from tests.shared.given import World, world


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


def fetched(here: World) -> int:
    return here.wire.sent.count(("GET", "/tickets/master/users"))


async def test_many_callers_at_once_share_one_fetch(tmp_path: Path) -> None:
    async with world("existing", tmp_path) as here, anyio.create_task_group() as group:
        master = MasterData(here.api)
        for _ in range(5):
            group.start_soon(master.lists)
    assert fetched(here) == 1
    assert len(here.wire.sent) == 7


async def test_lists_are_kept_for_a_minute_and_then_fetched_again(tmp_path: Path) -> None:
    clock = Clock()
    async with world("existing", tmp_path) as here:
        master = MasterData(here.api, clock=clock)
        first = await master.lists()
        clock.now = KEEP_S - 1
        assert await master.lists() is first
        clock.now = KEEP_S
        assert await master.lists() is not first


async def test_a_miss_is_looked_up_once_more_and_not_again(tmp_path: Path) -> None:
    async with world("existing", tmp_path) as here:
        master = MasterData(here.api)
        await master.lists()
        with pytest.raises(InvalidInputError, match="no such id or name"):
            await check(master, {"statusId": "stat99"}, ToolCall())
        assert fetched(here) == 2


async def test_callers_that_miss_together_share_the_newer_lists(tmp_path: Path) -> None:
    async with world("existing", tmp_path) as here:
        master = MasterData(here.api)
        old = await master.lists()
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(lambda: master.lists(newer_than=old))
        assert fetched(here) == 2


async def test_values_without_references_need_no_master_data(tmp_path: Path) -> None:
    async with world("existing", tmp_path) as here:
        checked = await check(MasterData(here.api), {"limit": 5}, ToolCall())
        assert checked.values == {"limit": 5}
        assert here.wire.sent == []
