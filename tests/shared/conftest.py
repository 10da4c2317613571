"""Both ticket APIs, opened for one test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.shared.given import World, world


@pytest.fixture
async def existing(tmp_path: Path) -> AsyncIterator[World]:
    async with world("existing", tmp_path) as opened:
        yield opened


@pytest.fixture
async def reference(tmp_path: Path) -> AsyncIterator[World]:
    async with world("reference", tmp_path) as opened:
        yield opened
