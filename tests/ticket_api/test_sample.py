"""The sample data: the same desk in two languages, deterministic, with nothing in the future."""

import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from httpx2 import AsyncClient

from tests.ticket_api.conftest import NOW, Clock, client_of, make, running
from ticket_api import create_app
from ticket_api.sample import plan

LANGUAGES = ("en", "ja")


async def everything(url: str, moment: datetime) -> list[dict[str, Any]]:
    """Return every ticket with its history, as the API returns them at `moment`."""
    clock = Clock()
    clock.now = moment
    async with running(url, clock) as api:
        return [
            {
                **(await api.get(f"/tickets/TCK-{number:04}")).json(),
                "history": (await api.get(f"/tickets/TCK-{number:04}/history")).json(),
            }
            for number in range(1, 51)
        ]


async def filled(folder: Path, language: Literal["en", "ja"], moment: datetime = NOW) -> list[dict[str, Any]]:
    url = f"sqlite:///{(folder / f'{language}.sqlite3').as_posix()}"
    app = create_app(database_url=url, sample_data=language, clock=lambda: moment)
    async with app.router.lifespan_context(app), client_of(app):
        pass
    return await everything(url, moment)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "moment", [NOW, datetime(2026, 3, 1, 0, 0, 30, tzinfo=UTC), datetime(2027, 1, 1, 23, 59, tzinfo=UTC)]
)
async def test_nothing_happens_in_the_future_or_before_the_ticket(
    tmp_path: Path, language: Literal["en", "ja"], moment: datetime
) -> None:
    now = f"{moment.astimezone():%Y-%m-%d %H:%M}"
    for ticket in await filled(tmp_path, language, moment):
        assert ticket["receptionDateTime"] < now
        assert (ticket["completionDate"] or "") <= now[:10]
        assert (ticket["statusId"] == "stat4") is (ticket["completionDate"] is not None)
        assert (ticket["statusId"] == "stat4") is (ticket["responseCategoryId"] is not None)
        times = [datetime.fromisoformat(entry["timestamp"]) for entry in reversed(ticket["history"])]
        assert times == sorted(times)
        received = datetime.fromisoformat(ticket["receptionDateTime"]).astimezone()
        assert all(received < at <= moment for at in times)


async def test_both_languages_tell_the_same_story(tmp_path: Path) -> None:
    english, japanese = await filled(tmp_path, "en"), await filled(tmp_path, "ja")

    same = (
        "id",
        "receptionDateTime",
        "statusId",
        "accountId",
        "completionDate",
        "actualEffortHours",
        "externalTicketId",
    )
    assert [[ticket[name] for name in same] for ticket in english] == [
        [ticket[name] for name in same] for ticket in japanese
    ]
    assert [len(ticket["history"]) for ticket in english] == [len(ticket["history"]) for ticket in japanese]
    for ticket in english:
        assert not re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", str(ticket))
    for ticket in japanese:
        assert re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", ticket["summary"])
        assert re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", ticket["description"])


async def test_the_last_status_in_the_history_is_the_ticket_s_own(tmp_path: Path) -> None:
    for ticket in await filled(tmp_path, "en"):
        changes = [field for entry in ticket["history"] for field in entry["changedFields"]]
        statuses = [field["newValue"] for field in changes if field["fieldName"] == "statusId"]
        assert statuses[:1] == ([ticket["statusName"]] if ticket["history"] and ticket["statusId"] != "stat1" else [])


async def test_there_are_attachments_late_tickets_and_every_master_row_is_used(tmp_path: Path) -> None:
    tickets = await filled(tmp_path, "en")

    assert sum(bool(ticket["attachments"]) for ticket in tickets) >= 3
    assert len({ticket["categoryDetailId"] for ticket in tickets}) == 12
    assert len({ticket["responseCategoryId"] for ticket in tickets} - {None}) == 6
    open_and_late = [
        t for t in tickets if t["statusId"] != "stat4" and (t["scheduledCompletionDate"] or "9") < "2026-11-20"
    ]
    assert 2 <= len(open_and_late) <= 10


async def test_the_same_moment_gives_the_same_data(tmp_path: Path, api: AsyncClient, database_url: str) -> None:
    assert await everything(database_url, NOW) == await filled(tmp_path, "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_as_long_as_a_ticket_may_hold(language: str) -> None:
    text = tomllib.loads((Path(plan.__file__).with_name(f"{language}.toml")).read_text(encoding="utf-8"))

    assert all(0 < len(ticket["summary"]) <= 200 for ticket in text["tickets"])
    assert len({ticket["summary"] for ticket in text["tickets"]}) == 50
    assert all(email.endswith("@example.com") for _, email in text["users"])


async def test_dates_are_relative_to_the_first_start(tmp_path: Path) -> None:
    later = NOW + timedelta(days=100)
    url = f"sqlite:///{(tmp_path / 't.sqlite3').as_posix()}"
    await make(url)

    first = await everything(url, later)

    assert first[-1]["receptionDateTime"] == f"{NOW.astimezone() - timedelta(days=1):%Y-%m-%d} 16:55"
