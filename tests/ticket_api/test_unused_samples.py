"""Sample data is for a new database alone; a setting that asks an older one for other samples says so."""

import asyncio
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import SecretStr

from shared.config import StdioSettings, TicketApiSettings
from shared.storage.database import resolve_url
from shared.storage.transactions import open_transactions
from shared.time_zones import utc_now
from tests.captured_logs import capture_logs
from tests.processes import sqlite
from ticket_api.__main__ import report_unused_samples
from ticket_api.administration import writes
from ticket_api.administration.kinds import KINDS
from ticket_api.administration.usual import add_usual
from ticket_api.tenancy import DEFAULT, TenantDatabase
from ticket_service import TicketService

Samples = Literal["en", "ja", "none"]
NEW_ONLY = "only a new database is filled, and this one has"


async def notes_of_a_start(folder: Path, **given: Any) -> list[str]:
    settings = StdioSettings(database_url=SecretStr(sqlite(folder)), **given)
    with capture_logs() as logs:
        async with TicketService(settings).run():
            pass
    return [line["hint"] for line in logs if line["message"] == "settings_note"]


@pytest.mark.parametrize(
    ("begun", "then", "has"),
    [
        ("en", "ja", "the English samples"),
        ("ja", "en", "the Japanese samples"),
        ("none", "en", "none of the samples"),
        ("ja", "none", "the Japanese samples"),
    ],
)
async def test_samples_that_are_set_too_late_are_reported(
    tmp_path: Path, begun: Samples, then: Samples, has: str
) -> None:
    assert await notes_of_a_start(tmp_path, sample_data=begun) == []

    said = f"MCP_SAMPLE_DATA has no effect: {NEW_ONLY} {has}."
    assert await notes_of_a_start(tmp_path, sample_data=then) == [said]
    assert await notes_of_a_start(tmp_path, sample_data=begun) == []
    assert await notes_of_a_start(tmp_path) == []


def test_the_ticket_api_as_a_service_says_so_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings: dict[str, Any] = {"database_url": SecretStr(sqlite(tmp_path)), "allow_anonymous": True}
    asyncio.run(report_unused_samples(TicketApiSettings(**settings, sample_data="ja")))
    assert capsys.readouterr().err == ""

    asyncio.run(report_unused_samples(TicketApiSettings(**settings, sample_data="en")))

    assert capsys.readouterr().err == f"Note: MCP_SAMPLE_DATA has no effect: {NEW_ONLY} the Japanese samples.\n"


async def test_usual_choices_and_own_data_are_no_samples(tmp_path: Path) -> None:
    assert await notes_of_a_start(tmp_path, sample_data="none") == []
    async with open_transactions(resolve_url(sqlite(tmp_path))) as transactions:
        tenants = TenantDatabase(transactions, clock=utc_now)
        await tenants.write(DEFAULT, lambda db: list(add_usual(db, "en")))

    assert await notes_of_a_start(tmp_path, sample_data="none") == []


async def test_samples_with_additions_are_still_the_samples(tmp_path: Path) -> None:
    assert await notes_of_a_start(tmp_path, sample_data="ja") == []
    async with open_transactions(resolve_url(sqlite(tmp_path))) as transactions:
        tenants = TenantDatabase(transactions, clock=utc_now)
        await tenants.write(DEFAULT, lambda db: writes.add(db, KINDS["statuses"], {"name": "On hold"}))

    assert await notes_of_a_start(tmp_path, sample_data="ja") == []
