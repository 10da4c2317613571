"""`get_ticket_report`: over both ticket APIs, its numbers are those of a scan over the tickets themselves."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from shared.identity import Principal, Tenant
from shared.time_zones import zone_named
from shared.tools import TicketTools
from tests.kills import kills
from tests.shared.given import NOW, TICKET, World, drops, responses, rows_of
from tests.shared.tickets.paged import COMPLETED, Ticket, many, tickets_of

NAME: Final = {
    "status": "statusName", "category": "categoryName", "person": "personInChargeName", "account": "accountName",
    "channel": "requestChannelName",
}  # fmt: skip
NUMBERS: Final = ("count", "open", "overdue", "oldestDays", "averageDays", "received", "completed")
OFFICE: Final = NOW.replace(tzinfo=None)
TODAY: Final = str(OFFICE.date())


def key_of(ticket: Ticket, by: str) -> str:
    if by != "week":
        return str(ticket[NAME[by]])
    day = datetime.fromisoformat(ticket["receptionDateTime"]).date()
    return str(day - timedelta(days=day.weekday()))


def measured(tickets: Sequence[Ticket], first: str = "", last: str = "") -> dict[str, Any]:
    """Return what a report should say of these tickets, without what is empty."""
    open_ = [one for one in tickets if one["statusId"] != COMPLETED]
    received = [datetime.fromisoformat(one["receptionDateTime"]) for one in open_]
    counted: dict[str, Any] = {
        "count": len(tickets),
        "open": len(open_),
        "overdue": sum((one["scheduledCompletionDate"] or "9") < TODAY for one in open_),
    }
    if open_:
        ages = sum((OFFICE - one for one in received), timedelta())
        counted["oldestDays"] = (OFFICE.date() - min(received).date()).days
        counted["averageDays"] = round(ages / len(open_) / timedelta(days=1), 1)
    if first or last:
        counted["received"] = sum(first <= one["receptionDateTime"][:10] <= (last or "9") for one in tickets)
        done = [one["completionDate"] or "" for one in tickets if one["statusId"] == COMPLETED]
        counted["completed"] = sum(bool(day) and first <= day <= (last or "9") for day in done)
    return counted


def grouped(tickets: Sequence[Ticket], by: Sequence[str]) -> dict[tuple[str, ...], list[Ticket]]:
    groups: defaultdict[tuple[str, ...], list[Ticket]] = defaultdict(list)
    for ticket in tickets:
        groups[tuple(key_of(ticket, one) for one in by)].append(ticket)
    return groups


def assert_counted(found: dict[str, Any], tickets: Sequence[Ticket], by: Sequence[str], *period: str) -> None:
    """Assert that a report counts these tickets: all together, in the groups that it shows, and in the others."""
    total, expected = found["totals"], measured(tickets, *period)
    assert total == {
        **{name: one for name, one in expected.items() if not name.endswith("Days")},
        **({"averageOpenDays": expected["averageDays"]} if "averageDays" in expected else {}),
        **({"oldestOpen": oldest(tickets)} if "oldestDays" in expected else {}),
    }
    groups, shown = grouped(tickets, by), list[Ticket]()
    for row in rows_of(found):
        key = tuple(str(row.get(one)) for one in by)
        if key[0] == "(others)":
            rest = [one for one in tickets if one not in shown]
            assert_row(row, {name: one for name, one in measured(rest, *period).items() if not name.endswith("Days")})
            shown += rest
        else:
            assert_row(row, measured(groups[key], *period))
            shown += groups[key]
    assert len(shown) == len(tickets)


def assert_row(row: dict[str, Any], expected: dict[str, Any]) -> None:
    numbers = {name: one for name, one in row.items() if name in NUMBERS}
    assert numbers.items() <= expected.items()
    left_out = expected.keys() - numbers.keys() - {"averageDays"}  # in a period only the total says it
    assert all(expected[name] in {0, expected["count"]} for name in left_out), "only what the totals say is left out"


def oldest(tickets: Sequence[Ticket]) -> str:
    return min(str(one["receptionDateTime"]) for one in tickets if one["statusId"] != COMPLETED)


GROUPS: Final = (
    "status", "category", "person", "account", "channel", "week", "person,status", "week,account", "channel,week",
)  # fmt: skip


FILTERS: Final[tuple[tuple[dict[str, Any], Callable[[Ticket], bool]], ...]] = (
    ({"personInChargeId": "user2"}, lambda one: one["personInChargeId"] == "user2"),
    (
        {"accountId": "acc1", "categoryId": "cat2"},
        lambda one: (one["accountId"], one["categoryId"]) == ("acc1", "cat2"),
    ),
    ({"statusId": "stat1,stat4"}, lambda one: one["statusId"] in {"stat1", "stat4"}),
    ({"statusId": ["stat2"]}, lambda one: one["statusId"] == "stat2"),
    ({"open": True}, lambda one: one["statusId"] != COMPLETED),
)
PERIODS: Final = (("2026-11-21", "2026-11-22"), ("2026-11-22", ""), ("", "2026-11-21"))


@kills("shared/tickets/reports/row_counting.py", "str(date.fromisoformat(day[:10])) < today", "True")
async def test_the_numbers_are_those_of_the_tickets(either: World) -> None:
    await many(either, 12)
    tickets = await tickets_of(either)

    for by in GROUPS:
        assert_counted(await either.done("get_ticket_report", groupBy=by), tickets, by.split(","))
    for arguments, fits in FILTERS:
        found = await either.done("get_ticket_report", groupBy="status,person", **arguments)
        assert_counted(found, [one for one in tickets if fits(one)], ("status", "person"))
        listed = await either.done("get_ticket_list", limit=1, **arguments)
        assert found["totals"]["count"] == listed["total"] > 0
    for first, last in PERIODS:
        period = {name: day for name, day in (("from", first), ("to", last)) if day}
        found = await either.done("get_ticket_report", groupBy="category", **period)
        assert_counted(found, tickets, ["category"], first, last)
        assert found["period"] == f"{first or '..'}/{last or '..'}"
        assert min(found["totals"]["received"], found["totals"]["completed"]) > 0
    await either.api.put(
        "/tickets/TCK-0005", {"updatedById": "user1", "completionDate": "2026-11-22", "statusId": "stat2"}
    )
    found = await either.done("get_ticket_report", statusId="stat2", **period)
    assert found["totals"]["completed"] == 0
    found = await either.done("get_ticket_report", open=True, **period)
    assert "completed" not in found["totals"]
    assert found["totals"]["received"] > 0


async def test_a_week_begins_on_monday_and_the_newest_comes_first(either: World) -> None:
    for minute in ("2026-11-15 23:59", "2026-11-16 00:00", "2026-11-22 23:59", "2026-11-23 00:00"):
        await either.api.post("/tickets", TICKET | {"receptionDateTime": minute, "accountId": "acc2"})

    found = await either.done("get_ticket_report", groupBy="week,account", accountId="acc2")

    weeks = [(row["week"], row["count"]) for row in rows_of(found)[:3]]
    tickets = [one for one in await tickets_of(either) if one["accountId"] == "acc2"]
    groups = grouped(tickets, ["week"])
    assert weeks == [(week, len(groups[week,])) for week in ("2026-11-23", "2026-11-16", "2026-11-09") if groups[week,]]


async def test_the_reference_api_is_asked_once_or_twice(reference: World) -> None:
    await reference.done("get_ticket_report")
    for arguments, requests in (({}, 1), ({"groupBy": "week", "from": "monday"}, 2)):
        reference.wire.sent.clear()
        await reference.done("get_ticket_report", **arguments)
        assert reference.wire.sent == [("GET", "/tickets/stats")] * requests


async def test_groups_are_taken_by_other_words(reference: World) -> None:
    for given, columns in (
        ("担当者、ステータス", ["person", "status"]), (["assignee", "customer"], ["person", "account"]),
        ("status and week", ["status", "week"]), ('["channel"]', ["channel"]), ("person,assignee", ["person"]),
    ):  # fmt: skip
        found = await reference.done("get_ticket_report", groupBy=given)
        assert [one for one in found["columns"] if one not in NUMBERS] == columns


async def test_what_cannot_be_counted_is_refused(either: World) -> None:
    for arguments, said in (
        ({"groupBy": "priority"}, "groupBy: must be one of the allowed values"),
        ({"groupBy": "status,week,account"}, "groupBy: must be one group or two"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "from must not be after to"),
        ({"open": True, "statusId": "stat4"}, "statusId: "),
        ({"mine": True}, "mine: your user in the ticket system is not known"),
        ({"accountId": "No One"}, "accountId: no such id or name"),
    ):
        text, error = await either.refused("get_ticket_report", **arguments)
        assert said in text
        assert error["kind"] == "invalid_input"


async def test_mine_are_those_that_the_caller_is_in_charge_of(either: World) -> None:
    either.principal = Principal("tomas", Tenant("default"), proof="oauth", email="x@example.com", ticket_user="user2")
    found = await either.done("get_ticket_report", mine=True, groupBy="person")

    assert found["totals"]["count"] == sum(one["personInChargeId"] == "user2" for one in await tickets_of(either))


async def test_namesakes_come_with_their_ids_or_are_said_to_be_counted_together(either: World) -> None:
    users = await either.api.get("/tickets/master/users")
    twins = [one | {"name": users[0]["name"]} if one["id"] == users[1]["id"] else one for one in users]
    either.wire.when("GET", "/tickets/master/users", responses(200, twins), always=True)
    name, ids = users[0]["name"], {users[0]["id"], users[1]["id"]}

    found = await either.done("get_ticket_report", groupBy="person")

    people = {row["person"] for row in rows_of(found)}
    together = f"This ticket API lists names without ids, so all of one name are counted together: {name}."
    assert f"{name} ({users[0]['id']})" in people or found["notes"] == [together]
    assert ids


async def test_days_are_said_to_be_those_of_the_ticket_system(reference: World) -> None:
    tokyo = zone_named("Asia/Tokyo")
    reference.tools = TicketTools(reference.api, clock=lambda: NOW.replace(hour=20), zone=tokyo)

    found = await reference.done("get_ticket_report")

    expected = "Days and weeks are those of the ticket system, where it is 2026-11-29 20:30."
    assert found["notes"] == [expected]
    assert found["asOf"].startswith("2026-11-30 05:30")


async def test_a_failure_of_the_api_is_no_number(either: World) -> None:
    await either.done("get_ticket_report")
    either.wire.when("GET", "/tickets(/stats)?", drops, always=True)
    either.tools._system.pages.forget()

    _, error = await either.refused("get_ticket_report")

    assert error["kind"] == "upstream_unavailable"
