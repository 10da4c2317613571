"""Dates through every tool: one zone, as of when and for which user (T11), days left (U10), reception (T16)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from shared.identity import SCOPES_OF, Principal, Role, Scope
from shared.mcp_tools.catalog import TOOLS
from shared.tools import TicketTools
from tests.kills import kills
from tests.shared.given import (
    NOW,
    TICKET,
    World,
    does_it_but_drops,
    does_it_but_responds,
    drops,
    hangs,
    refuses,
    responses,
    text_of,
    world,
)
from tests.shared.repeated import tickets

TOKYO: Final = ZoneInfo("Asia/Tokyo")
NO_TIME: Final = {name: value for name, value in TICKET.items() if name != "receptionDateTime"}
AGENT: Final = Principal("person-1", role=Role.AGENT, scopes=SCOPES_OF[Role.AGENT], proof="api_key")
TO_COMPLETE: Final = "TCK-0050"
"""An open ticket of the sample data."""
CALLS: Final[dict[str, dict[str, Any]]] = {
    "get_ticket_detail": {"ticketId": "TCK-0001"},
    "get_ticket_changes": {"since": "yesterday"},
    "find_similar_tickets": {"text": "The label printer stops"},
    "create_ticket": TICKET,
    "update_ticket": {"ticketId": "TCK-0001", "updatedById": "user2", "comment": "Hello"},
    "add_ticket_history": {"ticketId": "TCK-0001", "userId": "user2", "comment": "Hello"},
    "update_tickets": {"ticketIds": ["TCK-0001"], "updatedById": "user2", "change": {"comment": "Hello"}},
}


@pytest.fixture(params=["existing", "reference"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with world(request.param, tmp_path) as opened:
        yield opened


def at(here: World, moment: datetime, zone: ZoneInfo | None = TOKYO) -> World:
    """Return `here` with new tools at another time, in Tokyo unless another zone is given."""
    return replace(here, tools=TicketTools(here.api, zone=zone, clock=lambda: moment))


# T11: as of when, in which zone, for which user


async def test_every_result_says_in_both_forms_as_of_when_and_in_which_zone(here: World) -> None:
    there = at(here, NOW)
    for spec in TOOLS:
        result = await there.call(spec.name, **CALLS.get(spec.name, {}))

        assert not result.is_error
        assert result.structured_content is not None
        assert result.structured_content["asOf"] == "2026-11-29 11:30 JST"
        assert text_of(result).rsplit("\n", 1)[-1].startswith("As of 2026-11-29 11:30 JST.")
        assert text_of(result).count("As of ") == 1


@pytest.mark.parametrize(("principal", "text", "structured"), [
    (None, " Your user in the ticket system is not known.", "unknown"),
    (Principal("shared"), " Your user in the ticket system is not known.", "unknown"),
    (replace(AGENT, email="nobody@example.com"), " Your user in the ticket system is not known.", "unknown"),
    (replace(AGENT, ticket_user="user99"), " Your user in the ticket system is not known.", "unknown"),
    (replace(AGENT, ticket_user="user3"), " You are {name} (user3).", "{name} (user3)"),
    (replace(AGENT, email="{email}"), " You are {name} (user3).", "{name} (user3)"),
], ids=["stdio", "shared-key", "unknown-address", "broken-link", "linked", "address"])  # fmt: skip
async def test_a_result_says_plainly_who_called_or_that_it_is_not_known(
    existing: World, principal: Principal | None, text: str, structured: str
) -> None:
    user = next(one for one in await existing.api.get("/tickets/master/users") if one["id"] == "user3")
    email = ((principal and principal.email) or "").format(email=user["email"].upper())
    existing.principal = principal and replace(principal, email=email or None)

    for tool in ("get_statuses", "get_ticket_list"):
        result = await existing.call(tool)

        assert text_of(result).rpartition("UTC.")[2] == text.format(name=user["name"])
        assert result.structured_content is not None
        assert result.structured_content["actingUser"] == structured.format(name=user["name"])


async def test_a_write_for_another_user_names_that_user_and_claims_no_caller(existing: World) -> None:
    result = await existing.call("add_ticket_history", **CALLS["add_ticket_history"])

    assert result.structured_content is not None
    assert result.structured_content["recordedAs"]["id"] == "user2"
    assert "actingUser" not in result.structured_content
    assert text_of(result).endswith("As of 2026-11-29 02:30 UTC.")


async def test_an_administrator_who_acts_for_another_user_stays_who_they_are(existing: World) -> None:
    existing.principal = replace(AGENT, role=Role.ADMIN, scopes=frozenset(Scope), ticket_user="user3")

    done = await existing.done("add_ticket_history", **CALLS["add_ticket_history"])

    assert done["recordedAs"]["id"] == "user2"
    assert done["actingUser"].endswith(" (user3)")


@pytest.mark.parametrize("failure", [refuses, responses(500, {"error": "x"}), hangs], ids=["refused", "500", "hangs"])
async def test_a_read_does_not_fail_because_its_caller_cannot_be_looked_up(
    existing: World, monkeypatch: pytest.MonkeyPatch, failure: Any
) -> None:
    monkeypatch.setattr("shared.tickets.acting_user.LOOK_S", 0.05)
    existing.principal = replace(AGENT, ticket_user="user3")
    existing.wire.when("GET", "/tickets/master/accounts", failure, always=True)

    assert (await existing.done("get_statuses"))["actingUser"] == "unknown"


async def test_who_is_unknown_is_not_looked_up_again_by_each_read(existing: World) -> None:
    existing.principal = replace(AGENT, ticket_user="user99")
    await existing.done("get_statuses")
    before = len(existing.wire.sent)

    await existing.done("get_statuses")

    assert existing.wire.sent[before:] == [("GET", "/tickets/master/statuses")]


async def test_the_zone_is_the_one_that_the_ticket_api_names(existing: World) -> None:
    existing.wire.when("GET", "/health", responses(200, {"status": "OK", "timeZone": "Asia/Tokyo"}), always=True)

    assert (await existing.done("get_statuses"))["asOf"] == "2026-11-29 11:30 JST"


@pytest.mark.parametrize("name", ["Mars/Base", "", 9, None, ["Asia/Tokyo"], "../../etc/passwd"])
async def test_an_odd_zone_of_the_ticket_api_is_no_zone(existing: World, name: object) -> None:
    existing.wire.when("GET", "/health", responses(200, {"status": "OK", "timeZone": name}), always=True)

    assert (await existing.done("get_statuses"))["asOf"] == "2026-11-29 02:30 UTC"


async def test_an_api_that_was_not_up_at_first_is_asked_for_its_zone_soon(existing: World) -> None:
    existing.wire.when("GET", "/health", responses(500, {"error": "x"}))
    existing.wire.when("GET", "/health", responses(200, {"timeZone": "Asia/Tokyo"}))
    now = 0.0
    features = existing.tools._system.features
    features._clock = lambda: now

    assert await features.time_zone() is None
    now = 5.0
    assert await features.time_zone() == TOKYO


async def test_both_clocks_of_a_ticket_are_shown_in_the_one_zone(here: World) -> None:
    there = at(here, NOW, ZoneInfo("America/New_York"))
    created = (await there.done("create_ticket", **TICKET | {"receptionDateTime": "2026-11-20T14:30Z"}))["ticket"]
    await there.done("add_ticket_history", ticketId=created["id"], userId="user2", comment="Hello")
    detail = await there.done("get_ticket_detail", ticketId=created["id"])

    assert created["receptionDateTime"] == "2026-11-20 09:30"
    assert detail["history"][0]["timestamp"] == "2026-11-28 21:30"
    assert detail["asOf"] == "2026-11-28 21:30 EST"


async def test_a_row_is_shown_in_the_one_zone_too(reference: World) -> None:
    there = at(reference, NOW)
    await there.done("create_ticket", **TICKET | {"receptionDateTime": "2026-11-29 11:00", "summary": "A row"})

    text = text_of(await there.call("get_ticket_list", searchQuery="A row", fields=["receptionDateTime"]))
    stored = await reference.api.get("/tickets", params={"searchQuery": "A row"})

    assert "2026-11-29 11:00" in text
    assert stored[0]["receptionDateTime"] == "2026-11-29 02:00"


# T11: the completion date


@kills("shared/tickets/dates/ticket_calendar.py", 'return {"completionDate": str(at.today)}', "return {}")
async def test_a_completion_date_that_is_filled_in_is_a_day_of_the_one_zone(reference: World) -> None:
    """At 16:30 UTC it is tomorrow in Japan."""
    evening = at(reference, datetime(2026, 11, 29, 16, 30, tzinfo=UTC))
    created = await evening.done("create_ticket", **TICKET | {"statusId": "stat4"})
    updated = await evening.done("update_ticket", ticketId=TO_COMPLETE, updatedById="user2", statusId="stat4")

    assert created["ticket"]["completionDate"] == "2026-11-30"
    assert {"field": "completionDate", "new": "2026-11-30"} in updated["changed"]


async def test_a_completion_date_is_left_to_an_api_that_sets_none_and_to_a_call_that_clears_it(here: World) -> None:
    evening = at(here, datetime(2026, 11, 28, 16, 30, tzinfo=UTC))
    given = await evening.done("create_ticket", **TICKET | {"statusId": "stat4", "completionDate": "2026-11-21"})
    opened = await evening.done("update_ticket", ticketId=given["ticketId"], updatedById="user2", comment="Seen")

    assert given["ticket"]["completionDate"] == "2026-11-21"
    assert opened["changed"] == []


async def test_the_existing_api_gets_the_offer_instead(existing: World) -> None:
    evening = at(existing, datetime(2026, 11, 28, 16, 30, tzinfo=UTC))

    created = await evening.done("create_ticket", **TICKET | {"statusId": "stat4"})

    assert "completionDate" not in created["ticket"]
    assert any("has no completion date" in note for note in created["notes"])


# U10: days left


async def test_days_left_are_counted_alike_on_both_apis(here: World) -> None:
    evening = at(here, datetime(2026, 11, 28, 16, 30, tzinfo=UTC))  # November 29 in Japan
    for summary, due in (("Due -1", "2026-11-28"), ("Due 0", "2026-11-29"), ("Due 1", "2026-11-30")):
        await evening.done("create_ticket", **TICKET | {"summary": summary, "scheduledCompletionDate": due})
    done = TICKET | {"summary": "Due, done", "scheduledCompletionDate": "2026-11-28", "statusId": "stat4"}
    await evening.done("create_ticket", **done, completionDate="2026-11-28")

    text = text_of(await evening.call("get_ticket_list", searchQuery="Due"))

    assert days_left(text) == {"Due -1": "-1", "Due 0": "0", "Due 1": "1", "Due, done": ""}


def days_left(text: str) -> dict[str, str]:
    """Return the days left in a page by summary."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.split("\n") if line.startswith("|")]
    summary, left = rows[0].index("Summary"), rows[0].index("Days left")
    return {row[summary]: row[left] for row in rows[2:]}


async def test_a_list_does_not_fail_because_statuses_cannot_be_read(existing: World) -> None:
    existing.wire.when("GET", "/tickets/master/statuses", responses(500, {"error": "x"}), always=True)

    assert (await existing.done("get_ticket_list"))["returned"] == 20


# T10: through the tools


async def test_a_relative_day_filters_and_is_named_in_the_result(existing: World) -> None:
    page = await at(existing, NOW).done("get_ticket_list", scheduledCompletionDateTo="昨日", limit=1)

    assert page["notes"][0] == "scheduledCompletionDateTo: “昨日” is Saturday, 2026-11-28."


async def test_an_ambiguous_day_is_refused_with_both_readings_before_anything_is_sent(existing: World) -> None:
    text, error = await existing.refused("create_ticket", **TICKET | {"scheduledCompletionDate": "03/04/2026"})

    assert error["field"] == "scheduledCompletionDate"
    assert error["allowed"] == ["2026-03-04", "2026-04-03"]
    assert "Allowed: 2026-03-04, 2026-04-03." in text
    assert existing.wire.writes() == []


async def test_a_day_without_a_time_says_which_minute_was_taken(existing: World) -> None:
    created = await at(existing, NOW).done("create_ticket", **TICKET | {"receptionDateTime": "2026/11/20"})

    assert created["ticket"]["receptionDateTime"] == "2026-11-20 00:00"
    assert created["notes"][0] == "receptionDateTime: “2026/11/20” was read as 2026-11-20 00:00."


# T16: a ticket without a reception time came in now


async def test_a_ticket_without_reception_time_came_in_now(here: World) -> None:
    there = at(here, NOW)
    for number, given in enumerate(({}, *({"receptionDateTime": value} for value in (None, "", "now", "今")))):
        created = await there.done("create_ticket", **NO_TIME | {"summary": f"Ticket {number}"}, **given)

        assert created["ticket"]["receptionDateTime"] == "2026-11-29 11:30"
        assert not any("receptionDateTime" in note for note in created["notes"])


@kills("shared/writes/ticket_creation.py", '**body, "receptionDateTime": reception.words}', "**body}")
@pytest.mark.parametrize("given", [{}, {"receptionDateTime": "2 hours ago"}], ids=["absent", "relative"])
async def test_it_is_the_same_call_a_few_minutes_later(here: World, given: dict[str, Any]) -> None:
    moment = NOW
    here.tools = TicketTools(here.api, zone=TOKYO, clock=lambda: moment)
    first = await here.done("create_ticket", **NO_TIME, **given)
    moment = NOW + timedelta(minutes=3)

    again = await here.done("create_ticket", **NO_TIME, **given)

    assert again["already"].startswith("Already created")
    assert (again["ticketId"], await tickets(here)) == (first["ticketId"], 1)
    assert "notes" not in again


async def test_what_a_lost_call_left_is_found_a_minute_later(here: World) -> None:
    moment = NOW
    here.tools = TicketTools(here.api, zone=TOKYO, clock=lambda: moment)
    here.wire.when("POST", "/tickets", does_it_but_drops)
    text, _ = await here.refused("create_ticket", **NO_TIME)
    moment = NOW + timedelta(minutes=1)
    here.tools._repeats._quiet_s = 0.0

    again = await here.done("create_ticket", **NO_TIME)

    assert "Such a ticket exists" in text
    assert again["already"].startswith("Already created")
    assert await tickets(here) == 1


@pytest.mark.parametrize("received", ["2026-11-28 09:30", "2026-11-29 12:30"], ids=["older", "later"])
async def test_an_equal_ticket_of_another_time_is_not_taken_for_it(here: World, received: str) -> None:
    there = at(here, NOW)
    await there.done("create_ticket", **TICKET | {"receptionDateTime": received})
    there.tools._repeats._quiet_s = 0.0
    there.wire.when("POST", "/tickets", drops)
    await there.refused("create_ticket", **NO_TIME)

    created = await there.done("create_ticket", **NO_TIME)

    assert "already" not in created
    assert await tickets(here) == 2


async def test_a_key_holds_after_a_restart_although_the_minute_has_passed(reference: World) -> None:
    first = await at(reference, NOW).done("create_ticket", **NO_TIME, idempotencyKey="k-1")

    later = at(reference, NOW + timedelta(minutes=5))

    assert (await later.done("create_ticket", **NO_TIME, idempotencyKey="k-1"))["ticketId"] == first["ticketId"]
    assert await tickets(reference) == 1


async def test_a_ticket_without_reception_time_that_no_response_names_is_found(reference: World) -> None:
    reference.wire.when("POST", "/tickets", does_it_but_responds(201, {}))

    created = await reference.done("create_ticket", **NO_TIME)

    assert f"did not say which ticket it created; {created['ticketId']} holds the given values" in created["notes"][0]
