"""Rows of a list tell two people of one name apart (case T7)."""

from pathlib import Path
from typing import Any

import pytest

from tests.shared.given import TICKET, World, refuses, responses, rows_of, world


async def with_namesake(here: World) -> None:
    """Let user5 have the name of user4, and each have a ticket."""
    users = await here.api.get("/tickets/master/users")
    name = next(user["name"] for user in users if user["id"] == "user4")
    twins = [user | ({"name": name.upper()} if user["id"] == "user5" else {}) for user in users]
    here.wire.when("GET", "/tickets/master/users", responses(200, twins), always=True)
    for user_id in ("user4", "user5"):
        await here.api.post("/tickets", TICKET | {"personInChargeId": user_id, "summary": f"Of {user_id}"})


async def first_row(here: World) -> tuple[dict[str, Any], list[str]]:
    page = await here.done("get_ticket_list", searchQuery="of user4", fields=["personInChargeName", "requestorName"])
    return rows_of(page)[0], page.get("notes", [])


@pytest.mark.parametrize("kind", ["existing", "reference"])
async def test_a_name_of_several_people_has_its_id_in_a_row(kind: Any, tmp_path: Path) -> None:
    async with world(kind, tmp_path) as here:
        await with_namesake(here)

        row, _ = await first_row(here)

    assert row["personInChargeName"].endswith(" (user4)")
    assert "(" not in row["requestorName"]


async def test_rows_without_namesakes_cost_no_further_request(existing: World) -> None:
    await existing.done("get_ticket_list", limit=5, fields=["personInChargeName"])
    before = len(existing.wire.sent)

    page = await existing.done("get_ticket_list", limit=5, fields=["personInChargeName"])

    assert len(existing.wire.sent) == before
    assert not any("(" in row["personInChargeName"] for row in rows_of(page))


async def test_names_that_are_not_shown_cost_no_further_request(existing: World) -> None:
    await with_namesake(existing)
    sent = []
    for fields in (["ticketId"], ["ticketId"], ["personInChargeName"]):
        before = len(existing.wire.sent)
        await existing.done("get_ticket_list", searchQuery="of user4", fields=fields)
        sent.append(len(existing.wire.sent) - before)

    assert sent[1] < sent[2], "the first one reads master data too"


async def test_a_row_that_cannot_be_read_is_shown_with_a_note(existing: World) -> None:
    await with_namesake(existing)
    existing.wire.when("GET", "/tickets/TCK-.*", refuses, always=True)

    row, notes = await first_row(existing)

    assert "(user" not in row["personInChargeName"]
    assert notes[-1].startswith("Several people have one of these names")


async def test_a_list_needs_no_master_data(existing: World) -> None:
    existing.wire.when("GET", "/tickets/master/.*", refuses, always=True)

    assert (await existing.done("get_ticket_list", limit=2))["returned"] == 2
