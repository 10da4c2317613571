"""Fixtures: both ticket APIs for one test, or each in turn, with a memory of writes on a clock that the test sets."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from shared.writes.recent_writes import MemoryRecentWrites
from tests.shared.given import World, world
from tests.shared.repeated import Clock, tools_of


@pytest.fixture
async def existing(tmp_path: Path) -> AsyncIterator[World]:
    async with world("existing", tmp_path) as opened:
        yield opened


@pytest.fixture
async def reference(tmp_path: Path) -> AsyncIterator[World]:
    async with world("reference", tmp_path) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["existing", "reference"])
async def either(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    """Yield either API; writes are recognised by `clock`, and no test waits in real time."""
    kind: Literal["existing", "reference"] = request.param
    async with world(kind, tmp_path) as opened:
        opened.tools = tools_of(opened, MemoryRecentWrites(clock))
        yield opened
