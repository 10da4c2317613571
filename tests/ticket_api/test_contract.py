"""The common ground of the reference API and the existing API: paths, names, shapes, and what is right in both.

Each test runs over SQLite, over PostgreSQL and over the stand-in for the existing API. Where the two differ on purpose
(the traps), other files hold the reference API to its own promises.
"""

import re
from datetime import date, datetime
from typing import Any, Final

import pytest
from httpx2 import AsyncClient

from tests.ticket_api.conftest import NOW, new_ticket

LIST_ROW: Final = {
    "ticketId": str, "receptionDateTime": str, "requestorName": str, "accountName": str, "categoryName": str,
    "categoryDetailName": str, "summary": str, "personInChargeName": str, "statusName": str,
    "scheduledCompletionDate": str | None, "remainingDays": int | None, "externalTicketId": str | None,
}  # fmt: skip
MORE: Final = {
    "completionDate", "updatedAt", "completed", "requestorId", "accountId", "categoryId", "categoryDetailId",
    "personInChargeId", "statusId", "visibility",
}  # fmt: skip
"""What rows and entries of the reference API have besides, and those of the existing one do not."""
TICKET: Final = {
    "id": str, "receptionDateTime": str, "requestorId": str, "requestorName": str, "accountId": str,
    "accountName": str, "categoryId": str, "categoryName": str, "categoryDetailId": str, "categoryDetailName": str,
    "requestChannelId": str, "requestChannelName": str, "summary": str, "description": str, "personInChargeId": str,
    "personInChargeName": str, "statusId": str, "statusName": str, "scheduledCompletionDate": str | None,
    "completionDate": str | None, "actualEffortHours": str | None, "responseCategoryId": str | None,
    "responseCategoryName": str | None, "responseDetails": str | None, "hasDefect": bool,
    "externalTicketId": str | None, "remarks": str | None, "attachments": list,
}  # fmt: skip
ENTRY: Final = {
    "id": int, "timestamp": str, "userId": str, "userName": str, "comment": str | None, "changedFields": list,
}  # fmt: skip
CHOICE: Final = {"id": str, "name": str, "orderNo": int}
MASTER: Final[dict[str, dict[str, Any]]] = {
    "users": {"id": str, "name": str, "email": str, "role": str},
    "accounts": CHOICE,
    "categories": CHOICE,
    "statuses": CHOICE,
    "request-channels": CHOICE,
    "category-details": {**CHOICE, "categoryId": str, "categoryName": str},
    "response-categories": {**CHOICE, "parentCategory": str | None},
}


def assert_shape(row: dict[str, Any], shape: dict[str, Any]) -> None:
    """Assert exactly these names and those of MORE, each with a value of its type."""
    assert row.keys() - (MORE - shape.keys()) == shape.keys()
    wrong = {name: row[name] for name, kind in shape.items() if not isinstance(row[name], kind)}
    assert not wrong


async def get(api: AsyncClient, path: str, **query: Any) -> Any:
    response = await api.get(path, params=query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("application/json")
    return response.json()


async def test_health_needs_no_key_and_says_ok(any_api: AsyncClient) -> None:
    del any_api.headers["x-api-key"]

    health = await get(any_api, "/health")

    assert health.keys() - {"features", "timeZone"} == {"status", "timestamp"}
    assert health["status"] == "OK"
    assert datetime.fromisoformat(health["timestamp"]).tzinfo is not None


@pytest.mark.parametrize(("key", "error"), [(None, "Missing API key"), ("wrong", "Invalid API key")])
async def test_everything_else_needs_the_right_key(any_api: AsyncClient, key: str | None, error: str) -> None:
    del any_api.headers["x-api-key"]

    response = await any_api.get("/tickets", headers={"x-api-key": key} if key else {})

    assert response.status_code == 401
    assert response.json()["error"] == error
    assert response.json()["message"]


@pytest.mark.parametrize("table", MASTER)
async def test_master_data_has_its_shape_and_order(any_api: AsyncClient, table: str) -> None:
    rows = await get(any_api, f"/tickets/master/{table}")

    assert rows
    for row in rows:
        assert_shape(row, MASTER[table])
    order = "name" if table == "users" else "orderNo"
    assert rows == sorted(rows, key=lambda row: row[order])


async def test_category_details_of_one_category_only(any_api: AsyncClient) -> None:
    details = await get(any_api, "/tickets/master/category-details", categoryId="cat1")

    assert "catd1" in {row["id"] for row in details}
    assert {row["categoryId"] for row in details} == {"cat1"}


async def test_sample_ids_are_those_that_the_existing_system_has(any_api: AsyncClient) -> None:
    ids = {table: {row["id"] for row in await get(any_api, f"/tickets/master/{table}")} for table in MASTER}

    assert {f"user{n}" for n in range(1, 9)} <= ids["users"]
    assert {f"stat{n}" for n in range(1, 5)} == ids["statuses"]
    assert {f"ch{n}" for n in range(1, 6)} == ids["request-channels"]
    assert ("acc1" in ids["accounts"], "cat1" in ids["categories"], "resp1" in ids["response-categories"]) == (
        True,
    ) * 3


async def test_a_list_has_twenty_rows_newest_first_and_none_that_is_completed(any_api: AsyncClient) -> None:
    rows = await get(any_api, "/tickets")

    assert len(rows) == 20
    for row in rows:
        assert_shape(row, LIST_ROW)
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}", row["receptionDateTime"])
    received = [row["receptionDateTime"] for row in rows]
    assert received == sorted(received, reverse=True)
    assert "Completed" not in {row["statusName"] for row in rows}


async def test_completed_tickets_are_shown_on_request(any_api: AsyncClient) -> None:
    rows = await get(any_api, "/tickets", showCompleted="true", statusId="stat4")

    assert {row["statusName"] for row in rows} == {"Completed"}
    assert await get(any_api, "/tickets", statusId="stat4") == []


async def test_pages_join_without_gap_or_overlap(any_api: AsyncClient) -> None:
    whole = await get(any_api, "/tickets", limit=10, showCompleted="true")

    pages = [await get(any_api, "/tickets", limit=4, offset=at, showCompleted="true") for at in (0, 4, 8)]

    assert [row for page in pages for row in page][:10] == whole


@pytest.mark.parametrize(
    ("name", "value"), [("personInChargeId", "user1"), ("accountId", "acc2"), ("statusId", "stat2")]
)
async def test_a_filter_keeps_what_matches_and_only_that(any_api: AsyncClient, name: str, value: str) -> None:
    rows = await get(any_api, "/tickets", **{name: value, "limit": 100})

    everything = await get(any_api, "/tickets", limit=100)
    tickets = {row["ticketId"]: await get(any_api, f"/tickets/{row['ticketId']}") for row in everything}
    assert [row["ticketId"] for row in rows] == [id_ for id_, ticket in tickets.items() if ticket[name] == value]


async def test_due_dates_are_filtered_inclusively_and_counted_from_today(any_api: AsyncClient) -> None:
    today = NOW.astimezone().date()
    everything = await get(any_api, "/tickets", limit=100)
    due = sorted({row["scheduledCompletionDate"] for row in everything if row["scheduledCompletionDate"]})

    rows = await get(
        any_api, "/tickets", scheduledCompletionDateFrom=due[1], scheduledCompletionDateTo=due[3], limit=99
    )

    assert {row["scheduledCompletionDate"] for row in rows} == {due[1], due[2], due[3]}
    assert all(
        row["remainingDays"] == (date.fromisoformat(row["scheduledCompletionDate"]) - today).days for row in rows
    )


@pytest.mark.parametrize("column", ["scheduledCompletionDate", "receptionDateTime"])
async def test_a_list_is_sorted_by_what_was_asked_for(any_api: AsyncClient, column: str) -> None:
    rows = await get(any_api, "/tickets", sortBy=column, sortOrder="desc", limit=100)

    values = [row[column] for row in rows if row[column]]
    assert values == sorted(values, reverse=True)
    assert len(rows) == len(await get(any_api, "/tickets", limit=100))


@pytest.mark.parametrize("column", ["summary", "accountName", "requestorName"])
async def test_search_finds_a_part_in_any_case(any_api: AsyncClient, column: str) -> None:
    wanted = (await get(any_api, "/tickets"))[0]

    found = await get(any_api, "/tickets", searchQuery=wanted[column][1:-1].upper(), limit=100)

    assert wanted["ticketId"] in {row["ticketId"] for row in found}
    assert len(found) < len(await get(any_api, "/tickets", limit=100))


async def test_a_ticket_has_its_shape(any_api: AsyncClient) -> None:
    for number in range(1, 11):
        assert_shape(await get(any_api, f"/tickets/TCK-{number:04}"), TICKET)


@pytest.mark.parametrize(("method", "path", "body"), [
    ("GET", "/tickets/TCK-9999", None),
    ("PUT", "/tickets/TCK-9999", {"updatedById": "user1", "comment": "Hello"}),
    ("POST", "/tickets/TCK-9999/history", {"userId": "user1", "comment": "Hello"}),
])  # fmt: skip
async def test_an_unknown_ticket_is_a_404(any_api: AsyncClient, method: str, path: str, body: Any) -> None:
    response = await any_api.request(method, path, json=body)

    assert (response.status_code, response.json()) == (404, {"error": "Ticket not found"})


async def test_a_created_ticket_is_read_back_as_it_was_sent(any_api: AsyncClient) -> None:
    sent = new_ticket(
        receptionDateTime="2026-11-19 16:45",
        summary="Der Zähler läuft rückwärts | 検針値",
        description="Two lines\nand a 'quote' -- and %_\\ and 😀",
        scheduledCompletionDate="2026-12-01",
        actualEffortHours=3.5,
        responseCategoryId="resp1",
        responseDetails="Looked at it.",
        hasDefect=True,
        externalTicketId="EXT-1",
        remarks="None.",
    )

    response = await any_api.post("/tickets", json=sent)

    assert response.status_code == 201
    assert response.json().keys() == {"id", "message"}
    assert re.fullmatch(r"TCK-\d{4,}", response.json()["id"])
    ticket = await get(any_api, f"/tickets/{response.json()['id']}")
    assert {name: ticket[name] for name in sent} == {**sent, "actualEffortHours": "3.5"}
    assert (ticket["completionDate"], ticket["attachments"]) == (None, [])


async def test_a_ticket_without_reception_time_was_received_now(any_api: AsyncClient) -> None:
    response = await any_api.post("/tickets", json=new_ticket())

    ticket = await get(any_api, f"/tickets/{response.json()['id']}")
    assert ticket["receptionDateTime"] == f"{NOW.astimezone():%Y-%m-%d %H:%M}"
    assert (ticket["hasDefect"], ticket["actualEffortHours"]) == (False, None)


async def test_an_update_changes_what_was_sent_and_leaves_the_rest(any_api: AsyncClient) -> None:
    ticket_id = (await any_api.post("/tickets", json=new_ticket(remarks="Stays"))).json()["id"]
    before = await get(any_api, f"/tickets/{ticket_id}")

    response = await any_api.put(
        f"/tickets/{ticket_id}",
        json={"updatedById": "user2", "summary": "Keyboard types y for z", "remarks": None, "actualEffortHours": 1},
    )

    assert (response.status_code, response.json().keys()) == (200, {"id", "message"})
    assert response.json()["id"] == ticket_id
    after = await get(any_api, f"/tickets/{ticket_id}")
    assert after == before | {"summary": "Keyboard types y for z", "actualEffortHours": "1.0"}


async def test_an_update_is_recorded_with_old_and_new_values(any_api: AsyncClient) -> None:
    ticket_id = (await any_api.post("/tickets", json=new_ticket())).json()["id"]

    await any_api.put(
        f"/tickets/{ticket_id}", json={"updatedById": "user2", "comment": "Renamed", "summary": "Shorter"}
    )

    (entry,) = await get(any_api, f"/tickets/{ticket_id}/history")
    assert_shape(entry, ENTRY)
    assert (entry["userId"], entry["comment"], entry["timestamp"]) == ("user2", "Renamed", "2026-11-20T03:04:05.678Z")
    assert entry["changedFields"] == [
        {"fieldName": "summary", "oldValue": "Keyboard types the wrong letters", "newValue": "Shorter"}
    ]


async def test_comments_come_back_newest_first(any_api: AsyncClient) -> None:
    ticket_id = (await any_api.post("/tickets", json=new_ticket())).json()["id"]

    for comment in ("first", "second"):
        response = await any_api.post(f"/tickets/{ticket_id}/history", json={"userId": "user3", "comment": comment})
        assert (response.status_code, response.json().keys()) == (201, {"id", "message"})

    history = await get(any_api, f"/tickets/{ticket_id}/history")
    assert [entry["comment"] for entry in history] == ["second", "first"]
    assert [entry["changedFields"] for entry in history] == [[], []]
    users = {user["id"]: user["name"] for user in await get(any_api, "/tickets/master/users")}
    assert {entry["userName"] for entry in history} == {users["user3"]}


@pytest.mark.parametrize(("body", "error"), [
    ({"comment": "Hello"}, "User ID and comment are required"),
    ({"userId": "user1"}, "User ID and comment are required"),
    ({"userId": "user1", "comment": ""}, "User ID and comment are required"),
    ({"userId": "unknown", "comment": "Hello"}, "User not found"),
])  # fmt: skip
async def test_a_comment_needs_a_user_and_a_text(any_api: AsyncClient, body: dict[str, str], error: str) -> None:
    response = await any_api.post("/tickets/TCK-0001/history", json=body)

    assert (response.status_code, response.json()["error"]) == (400, error)


async def test_sample_history_has_its_shape(any_api: AsyncClient) -> None:
    history = await get(any_api, "/tickets/TCK-0001/history")

    assert history
    for entry in history:
        assert_shape(entry, ENTRY)
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z", entry["timestamp"])
        for field in entry["changedFields"]:
            assert field.keys() == {"fieldName", "oldValue", "newValue"}
    times = [entry["timestamp"] for entry in history]
    assert times == sorted(times, reverse=True)
