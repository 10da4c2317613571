"""The ticket API keeps its dates in one time zone, whatever the zone of its machine, and names it (case T11)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx2
import pytest

from shared.config import TicketApiSettings
from shared.time_zones import MachineClock, machine_zone, zone_name
from tests.shared.given import TICKET
from ticket_api import create_app
from ticket_api.__main__ import zone_of

NEW_YEAR: Final = datetime(2026, 12, 31, 16, 30, tzinfo=UTC)
"""In Japan, the next year has begun."""
NO_TIME: Final = {name: value for name, value in TICKET.items() if name != "receptionDateTime"}


@pytest.fixture
def zone() -> tzinfo | None:
    return ZoneInfo("Asia/Tokyo")


@pytest.fixture
async def api(tmp_path: Path, zone: tzinfo | None) -> AsyncIterator[httpx2.AsyncClient]:
    url = f"sqlite:///{(tmp_path / 'tickets.sqlite3').as_posix()}"
    app = create_app(database_url=url, zone=zone, clock=lambda: NEW_YEAR)
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        yield client


async def created(api: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Create a ticket and return it."""
    response = await api.post("/tickets", json=NO_TIME | fields)
    assert response.status_code == 201, response.text
    ticket: dict[str, Any] = (await api.get(f"/tickets/{response.json()['id']}")).json()
    return ticket


async def test_new_tickets_are_dated_in_the_zone_of_the_api(api: httpx2.AsyncClient) -> None:
    ticket = await created(api, statusId="stat4")

    assert (ticket["receptionDateTime"], ticket["completionDate"]) == ("2027-01-01 01:30", "2027-01-01")
    assert (await api.get("/health")).json()["timeZone"] == "Asia/Tokyo"


async def test_an_offset_is_converted_to_the_zone_of_the_api(api: httpx2.AsyncClient) -> None:
    for sent, stored in (
        ("2026-11-20T09:30:00Z", "2026-11-20 18:30"),
        ("2026-11-20 09:30+09:00", "2026-11-20 09:30"),
        ("2026-11-20 09:30", "2026-11-20 09:30"),
    ):
        assert (await created(api, receptionDateTime=sent))["receptionDateTime"] == stored


@pytest.mark.parametrize("minute", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "9999-12-31T12:00Z"])
async def test_a_minute_that_is_on_no_calendar_there_is_refused(api: httpx2.AsyncClient, minute: str) -> None:
    response = await api.post("/tickets", json=NO_TIME | {"receptionDateTime": minute})

    assert (response.status_code, response.json()["field"]) == (400, "receptionDateTime")


async def test_days_left_are_counted_in_the_zone_of_the_api(api: httpx2.AsyncClient) -> None:
    await created(api, summary="Due on New Year's Day", scheduledCompletionDate="2027-01-01")

    (row,) = (await api.get("/tickets", params={"searchQuery": "Due on New Year"})).json()

    assert row["remainingDays"] == 0


@pytest.mark.parametrize("zone", [MachineClock(), None], ids=["no-name", "machine"])
async def test_the_zone_of_the_machine_is_named_if_it_has_a_name(api: httpx2.AsyncClient, zone: tzinfo | None) -> None:
    assert (await api.get("/health")).json()["timeZone"] == (zone_name(machine_zone()) if zone is None else None)


def test_the_setting_names_the_zone() -> None:
    settings = TicketApiSettings(allow_anonymous=True, time_zone="Asia/Tokyo")

    assert zone_name(zone_of(settings)) == "Asia/Tokyo"
    assert zone_of(TicketApiSettings(allow_anonymous=True)) == machine_zone()
