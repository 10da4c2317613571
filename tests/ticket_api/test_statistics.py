"""`GET /tickets/stats`: numbers of tickets by group, the same as counting the tickets themselves."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from httpx2 import AsyncClient

from tests.ticket_api.conftest import NOW, new_ticket

Ticket = dict[str, Any]
OFFICE: Final = NOW.astimezone().replace(tzinfo=None, second=0, microsecond=0)
ID: Final = {
    "status": "statusId", "category": "categoryId", "personInCharge": "personInChargeId", "account": "accountId",
    "requestChannel": "requestChannelId",
}  # fmt: skip


async def get(api: AsyncClient, path: str = "/tickets/stats", **query: Any) -> Any:
    response = await api.get(path, params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def tickets(api: AsyncClient, **query: Any) -> list[Ticket]:
    """Return the rows of all tickets that match."""
    rows: list[Ticket] = await get(api, "/tickets", limit=200, **{"showCompleted": "true", **query})
    return rows


def key_of(ticket: Ticket, by: str) -> tuple[str, str, str]:
    if by == "week":
        day = datetime.fromisoformat(ticket["receptionDateTime"]).date()
        monday = day - timedelta(days=day.weekday())
        return by, monday.isoformat(), f"{monday:%G-W%V}"
    return by, ticket[ID[by]], ticket[ID[by].replace("Id", "Name")]


def measures(counted: Sequence[Ticket], first: str | None = None, last: str | None = None) -> dict[str, Any]:
    """Return what the API should say of these tickets."""
    open_ = [one for one in counted if not one["completed"]]
    ages = [OFFICE - datetime.fromisoformat(one["receptionDateTime"]) for one in open_]

    def within(day: str | None) -> bool:
        return day is not None and (first or "0") <= day[:10] <= (last or "9")

    has_period = first or last
    done = [one for one in counted if one["completed"] and within(one["completionDate"])]
    return {
        "count": len(counted),
        "open": len(open_),
        "overdue": sum((one["scheduledCompletionDate"] or "9") < OFFICE.date().isoformat() for one in open_),
        "oldestOpen": min((one["receptionDateTime"] for one in open_), default=None),
        "averageOpenDays": round(sum(ages, timedelta()) / len(ages) / timedelta(days=1), 1) if ages else None,
        "received": sum(within(one["receptionDateTime"]) for one in counted) if has_period else None,
        "completed": len(done) if has_period else None,
    }


def grouped(counted: Sequence[Ticket], *by: str) -> list[dict[str, Any]]:
    """Return the groups in the order of the API, which breaks ties by ids."""
    groups: dict[tuple[tuple[str, str, str], ...], list[Ticket]] = defaultdict(list)
    for ticket in counted:
        groups[tuple(key_of(ticket, one) for one in by)].append(ticket)
    ordered = sorted(groups.items(), key=lambda one: (-len(one[1]), [id_ for _, id_, _ in one[0]]))
    return [
        {"keys": [dict(zip(("by", "id", "name"), key, strict=True)) for key in keys], **measures(members)}
        for keys, members in ordered
    ]


async def test_groups_are_those_of_the_tickets(api: AsyncClient) -> None:
    everything = await tickets(api)
    with_channels = [{**one, **await get(api, f"/tickets/{one['ticketId']}")} for one in everything]

    for by in ("status", "category,status", "personInCharge", "account,requestChannel", "week", "week,personInCharge"):
        found = await get(api, groupBy=by, limit=200)
        groups = grouped(with_channels, *by.split(","))
        assert found == {"groups": groups, "other": None, "total": measures(everything)}, by
        assert len(groups) > 2


async def test_what_is_beyond_the_limit_is_one_group(api: AsyncClient) -> None:
    everything = await tickets(api)
    largest = grouped(everything, "account")[:3]
    shown = {group["keys"][0]["id"] for group in largest}

    found = await get(api, groupBy="account", limit=3)

    assert found["groups"] == largest
    assert found["other"] == measures([one for one in everything if one["accountId"] not in shown])
    assert found["total"] == measures(everything)


async def test_a_period_is_counted_by_reception_and_completion(api: AsyncClient) -> None:
    everything = await tickets(api)

    for first, last in (("2026-10-01", "2026-11-10"), ("2026-10-01", None), (None, "2026-10-31")):
        period = {name: day for name, day in (("from", first), ("to", last)) if day}
        found = await get(api, groupBy="status", **period)
        assert found["total"] == measures(everything, first, last)
        assert min(found["total"]["received"], found["total"]["completed"]) > 0
        by_status = {group["keys"][0]["id"]: group["completed"] for group in found["groups"]}
        assert by_status == {**dict.fromkeys(by_status, 0), "stat4": found["total"]["completed"]}


async def test_the_filters_of_a_list_apply(api: AsyncClient) -> None:
    queries: tuple[dict[str, str], ...] = (
        {"personInChargeId": "user1"}, {"showCompleted": "false"}, {"statusId": "stat2"}, {"accountId": "unknown"},
        {"receptionDateTimeFrom": "2026-10-01"}, {"searchQuery": "printer"}, {"searchWords": "the e"},
    )  # fmt: skip
    for query in queries:
        matching = await tickets(api, **query)
        found = await get(api, groupBy="status", **query)
        assert found == {"groups": grouped(matching, "status"), "other": None, "total": measures(matching)}, query


async def test_without_groups_there_is_the_total_alone(api: AsyncClient) -> None:
    assert await get(api) == {"groups": [], "other": None, "total": measures(await tickets(api))}
    assert (await get(api, accountId="unknown"))["total"] == measures([])


async def test_a_ticket_is_overdue_from_the_day_after(api: AsyncClient) -> None:
    before = (await get(api))["total"]["overdue"]
    for days in (0, -1):
        due = (OFFICE.date() + timedelta(days=days)).isoformat()
        await api.post("/tickets", json=new_ticket(scheduledCompletionDate=due))
    await api.post("/tickets", json=new_ticket(scheduledCompletionDate="2026-01-01", statusId="stat4"))

    assert (await get(api))["total"]["overdue"] == before + 1


async def test_weeks_begin_on_monday(api: AsyncClient) -> None:
    for day in ("2020-11-15", "2020-11-16", "2024-12-30", "2027-01-03"):
        for minute in ("00:00", "23:59"):
            made = await api.post("/tickets", json=new_ticket(receptionDateTime=f"{day} {minute}"))
            assert made.status_code == 201

        found = await get(api, groupBy="week", receptionDateTimeFrom=day, receptionDateTimeTo=day)

        (group,) = found["groups"]
        by, monday, name = key_of({"receptionDateTime": f"{day} 00:00"}, "week")
        assert (group["keys"], group["count"]) == ([{"by": by, "id": monday, "name": name}], 2)


async def test_the_ends_of_the_calendar_are_counted(api: AsyncClient) -> None:
    for minute in ("0001-01-01 00:00", "9999-12-31 23:59"):
        await api.post("/tickets", json=new_ticket(receptionDateTime=minute, summary="Calendar"))

    found = await get(api, groupBy="week", searchQuery="calendar")

    shown = [(group["keys"][0]["name"], group["oldestOpen"]) for group in found["groups"]]
    assert shown == [("0001-W01", "0001-01-01 00:00"), ("9999-W52", "9999-12-31 23:59")]
    assert found["total"] == measures(await tickets(api, searchQuery="calendar"))


async def test_what_cannot_be_counted_is_refused(sqlite_api: AsyncClient) -> None:
    for query, field in (
        ("groupBy=priority", "groupBy"), ("groupBy=status,status", "groupBy"), ("groupBy=", "groupBy"),
        ("groupBy=status,week,account", "groupBy"), ("limit=0", "limit"), ("from=2026-11-02&to=2026-11-01", "to"),
        ("from=yesterday", "from"), ("offset=1", "offset"),
    ):  # fmt: skip
        response = await sqlite_api.get(f"/tickets/stats?{query}")
        assert (response.status_code, response.json()["field"]) == (400, field)
        assert response.json()["error"].startswith(field)


async def test_what_looks_like_a_ticket_supports_its_own_methods_only(sqlite_api: AsyncClient) -> None:
    for name, method, allowed in (("stats", "PUT", "GET"), ("changes", "PUT", "GET"), ("import", "GET", "POST")):
        response = await sqlite_api.request(method, f"/tickets/{name}")
        assert (response.status_code, response.headers["allow"]) == (405, allowed)
