"""Every trap of the existing API, and faults at chosen moments: the caller always gets a true report."""

from pathlib import Path
from typing import Any

import pytest

from tests.shared.given import (
    TICKET,
    Act,
    World,
    hangs,
    refuses,
    responses,
    world,
)

TICKET_PATH = "/tickets/TCK-[0-9]+"
HISTORY_PATH = f"{TICKET_PATH}/history"


# Bad input never reaches the API


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": True},
        {"offset": -1},
        {"sortBy": "weight"},
        {"scheduledCompletionDateFrom": "2026-02-30"},
        {"scheduledCompletionDateFrom": "01.12.2026"},
        {"scheduledCompletionDateFrom": "2026-12-02", "scheduledCompletionDateTo": "2026-12-01"},
        {"statusId": "stat99"},
        {"searchQuery": "a\0b"},
    ],
)
async def test_a_wrong_query_is_refused_before_it_is_sent(existing: World, wrong: dict[str, Any]) -> None:
    text, error = await existing.refused("get_ticket_list", **wrong)

    assert error["kind"] == "invalid_input"
    assert text.endswith("Nothing was changed.")
    assert ("GET", "/tickets") not in existing.wire.sent


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("receptionDateTime", "03/04/2026 09:30"),
        ("receptionDateTime", "2026-11-20 24:01"),
        ("receptionDateTime", "2026-11-31 09:30"),
        ("completionDate", "2026-13-01"),
        ("completionDate", "none"),
        ("actualEffortHours", 1.25),
        ("actualEffortHours", 10_000),
        ("actualEffortHours", -1),
        ("actualEffortHours", "many"),
        ("actualEffortHours", True),
        ("summary", "x" * 201),
        ("summary", "  "),
        ("externalTicketId", "x" * 51),
        ("requestorId", "x" * 51),
        ("description", "nul\0"),
        ("hasDefect", "perhaps"),
        ("attachments", "no list"),
        ("attachments", [{"fileName": "a"}]),
        ("attachments", ["a"]),
        ("idempotencyKey", "two words"),
    ],
)
async def test_a_wrong_field_is_refused_before_it_is_sent(existing: World, field: str, value: Any) -> None:
    text, error = await existing.refused("create_ticket", **TICKET | {field: value})

    assert error["kind"] == "invalid_input"
    assert error["field"].startswith(field)
    assert text.endswith("Nothing was changed.")
    assert existing.wire.writes() == []


# Reads


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (responses(500, {"error": "An error occurred while fetching ticket"}), "upstream_fault"),
        (responses(200, html="<!DOCTYPE html><pre>Cannot GET</pre>"), "upstream_fault"),
        (responses(404, html="<!DOCTYPE html><pre>Cannot GET</pre>"), "upstream_fault"),
        (responses(200, {"unexpected": True}), "upstream_fault"),
        (responses(200, []), "upstream_fault"),
        (responses(401, {"error": "Invalid API key"}), "upstream_refused"),
        (refuses, "upstream_unavailable"),
    ],
)
async def test_a_failing_api_is_never_the_callers_fault_nor_a_success(existing: World, act: Act, kind: str) -> None:
    existing.wire.when("GET", TICKET_PATH, act, always=True)

    text, error = await existing.refused("get_ticket_detail", ticketId="TCK-0001")

    assert error == {"kind": kind, "effect": "nothing_changed"}
    assert "<" not in text
    assert "occurred" not in text


async def test_a_silent_api_is_given_up_in_time(tmp_path: Path) -> None:
    async with world("existing", tmp_path, deadline_s=0.05) as here:
        here.wire.when("GET", "/tickets", hangs)

        _, error = await here.refused("get_ticket_list")

        assert error["kind"] == "upstream_unavailable"


async def test_wrong_form_is_told_even_when_the_api_is_down(existing: World) -> None:
    existing.wire.when("GET", ".*", refuses, always=True)

    _, error = await existing.refused("get_ticket_list", limit=0, statusId="stat1")

    assert error["field"] == "limit"


async def test_an_id_that_was_added_a_moment_ago_is_known(reference: World, tmp_path: Path) -> None:
    await reference.done("get_ticket_list", statusId="stat1")
    users = await reference.api.get("/tickets/master/users")
    new = {"id": "user99", "name": "New Colleague", "email": "n@example.com", "role": "support"}
    reference.wire.when("GET", "/tickets/master/users", responses(200, [*users, new]))

    page = await reference.done("get_ticket_list", personInChargeId="user99")

    assert page["rows"] == []
    assert (await reference.done("get_ticket_list", personInChargeId="new colleague"))["notes"]


async def test_a_name_of_several_is_answered_with_the_candidates(existing: World) -> None:
    twins = [{"id": "u1", "name": "Kim Lee"}, {"id": "u2", "name": "kim lee"}, {"id": "u3", "name": "Other"}]
    existing.wire.when("GET", "/tickets/master/users", responses(200, twins), always=True)

    text, error = await existing.refused("get_ticket_list", personInChargeId="Kim Lee")

    assert error["allowed"] == ["u1 (Kim Lee)", "u2 (kim lee)"]
    assert "several have this name" in text


async def test_a_detail_name_that_two_categories_share_means_the_one_of_the_given_category(existing: World) -> None:
    details = [
        {"id": "d1", "name": "Other", "categoryId": "cat1", "categoryName": "Incident"},
        {"id": "d2", "name": "Other", "categoryId": "cat2", "categoryName": "Request"},
    ]
    existing.wire.when("GET", "/tickets/master/category-details", responses(200, details), always=True)

    _, error = await existing.refused(
        "update_ticket", ticketId="TCK-0001", updatedById="user1", categoryDetailId="Other"
    )
    existing.wire.when("PUT", TICKET_PATH, responses(200, {"id": "TCK-0001"}))
    text, _ = await existing.refused(
        "update_ticket", ticketId="TCK-0001", updatedById="user1", categoryId="cat2", categoryDetailId="Other"
    )

    assert error["allowed"] == ["d1 (Other, Incident)", "d2 (Other, Request)"]
    assert "categoryDetailId" in text


async def test_a_long_list_of_allowed_ids_is_cut_and_says_where_the_rest_is(existing: World) -> None:
    users = [{"id": f"u{n}", "name": f"Name {n}"} for n in range(30)]
    existing.wire.when("GET", "/tickets/master/users", responses(200, users), always=True)

    _, error = await existing.refused("get_ticket_list", personInChargeId="user99")

    assert len(error["allowed"]) == 6
    assert error["allowed"][0] == "u9 (Name 9)"
    assert error["allowed"][-1] == "and 25 more, see get_users"
