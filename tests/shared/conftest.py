"""Fixtures: both ticket APIs for one test, or each in turn, with a memory of writes on a clock that the test sets.

No limit of time ends what goes as it should, however slow the machine is; a test that is about a limit sets its own.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from shared import audit
from shared.config import Settings
from shared.embedded import in_process
from shared.mcp_tools import tenant_tools
from shared.tickets import acting_user, features
from shared.tickets.activity import histories
from shared.tickets.paging import single_tickets, windows
from shared.tickets.similar import look_alikes
from shared.upstream import connection_pool
from shared.writes import creation, outcome, repeats
from shared.writes.recent_writes import MemoryRecentWrites
from tests.shared.given import World, world
from tests.shared.repeated import Clock, tools_of

PATIENCE_S: Final = 30.0
LIMITS: Final[tuple[tuple[Any, str], ...]] = (
    (acting_user, "LOOK_S"),
    (audit, "PATIENCE_S"),
    (connection_pool, "IDLE_S"),
    (creation, "LOOK_S"),
    (features, "ASK_S"),
    (in_process, "CLOSE_S"),
    (look_alikes, "LOOK_S"),
    (outcome, "LOOK_S"),
    (repeats, "LOOK_S"),
    (single_tickets, "READ_S"),
    (tenant_tools, "ASK_S"),
    (histories, "READ_S"),
    (windows, "FETCH_S"),
)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    for place, limit in LIMITS:
        monkeypatch.setattr(place, limit, PATIENCE_S)


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Remove this machine's variables from the environment, and any `.env` but one that the test writes."""
    for name in os.environ:
        if name.upper().startswith(("MCP_", "API_", "K_SERVICE")) or name.upper() == "PORT":
            monkeypatch.delenv(name)
    monkeypatch.setattr(Settings, "dotenv_path", tmp_path / ".env")
    return monkeypatch


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
