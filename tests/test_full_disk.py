"""A full disk under the ticket API: what the readiness probe and the tools report."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import event

from tests.processes import API_KEY, http_door, sqlite
from tests.shared.given import TICKET
from tests.test_http_door import AS_CLIENT, failed, ready
from tests.transport.serving import serve
from tests.transport.sse_client import sse_session
from ticket_api import create_app

LARGE: Final = "x" * 50_000
WRITES: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("create_ticket", {**TICKET, "description": LARGE}),
    ("update_ticket", {"ticketId": "TCK-0001", "updatedById": "user1", "description": LARGE}),
    ("add_ticket_history", {"ticketId": "TCK-0001", "userId": "user1", "comment": LARGE}),
)


@pytest.fixture
async def full_api(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a ticket API whose SQLite file cannot grow."""
    app = create_app(database_url=sqlite(tmp_path), api_keys=[API_KEY])
    async with serve(app) as address:

        @event.listens_for(app.state.tenants.transactions.engine, "connect")
        def no_more_pages(connection: sqlite3.Connection, _: object) -> None:
            connection.execute("PRAGMA max_page_count = 1").close()  # so its size now is the limit

        yield address


async def test_the_door_is_not_ready_and_its_tools_say_why(full_api: str, tmp_path: Path) -> None:
    with http_door(tmp_path / "door", MCP_API_BASE_URL=full_api, MCP_API_KEY=API_KEY) as (address, process):
        async with sse_session(address, AS_CLIENT) as client:
            is_ready = await ready(client)
            calls = [await failed(client, *call) for call in WRITES]
        process.end()

    assert is_ready == (503, {"status": "unavailable", "reason": "disk_full"})
    for text, error in calls:
        assert "The disk of the ticket database is full. Nothing was changed; the operator must make room" in text
        assert "not known" not in text
        assert (error["kind"], error["effect"]) == ("disk_full", "nothing_changed")
    assert '"kind":"disk_full"' in process.said
