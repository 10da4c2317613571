"""The stand-in has every trap of the existing API: one test per trap, then the successful responses.

If the running service is observed to do something else, change the test first.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from tests.standin import create_app

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
NEW_TICKET = {
    "requestorId": "user6",
    "accountId": "acc1",
    "categoryId": "cat1",
    "categoryDetailId": "catd1",
    "requestChannelId": "ch1",
    "summary": "Screen stays dark",
    "description": "Since the update.",
    "personInChargeId": "user2",
    "statusId": "stat1",
}


@pytest.fixture
def app() -> Starlette:
    return create_app(now=lambda: NOW)


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app)
    headers = {"x-api-key": "standin-key"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://standin", headers=headers) as client:
        yield client


async def listed(client: httpx2.AsyncClient, **query: str) -> list[dict[str, Any]]:
    response = await client.get("/tickets", params={"showCompleted": "true", "limit": "100"} | query)
    assert response.status_code == 200
    rows: list[dict[str, Any]] = response.json()
    return rows


async def comments(client: httpx2.AsyncClient, ticket_id: str) -> list[str]:
    return [entry["comment"] for entry in (await client.get(f"/tickets/{ticket_id}/history")).json()]


# Traps


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_list_is_descending_whatever_sort_order_says(client: httpx2.AsyncClient, order: str) -> None:
    received = [row["receptionDateTime"] for row in await listed(client, sortOrder=order)]

    assert received == sorted(received, reverse=True)
    assert len(received) == 28


async def test_list_by_a_date_puts_tickets_without_one_first(client: httpx2.AsyncClient) -> None:
    """PostgreSQL's order for DESC, which the existing API does not change."""
    due = [row["scheduledCompletionDate"] for row in await listed(client, sortBy="scheduledCompletionDate")]

    dated = [day for day in due if day is not None]
    assert due == [None] * 4 + sorted(dated, reverse=True)


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "offset=-1",
        "scheduledCompletionDateFrom=2026-02-30",
        "scheduledCompletionDateTo=tomorrow-ish",
        "searchQuery=%00",
    ],
)
async def test_bad_query_is_a_500(client: httpx2.AsyncClient, query: str) -> None:
    response = await client.get(f"/tickets?{query}")

    assert (response.status_code, response.json()) == (500, {"error": "An error occurred while fetching tickets"})


@pytest.mark.parametrize(
    "fault",
    [
        *({name: "unknown"} for name in NEW_TICKET if name.endswith("Id")),
        *({name: None} for name in NEW_TICKET),
        {"receptionDateTime": "yesterday"},
        {"scheduledCompletionDate": "2026-02-30"},
        {"completionDate": ""},
        {"actualEffortHours": 10000},
        {"actualEffortHours": "NaN"},
        {"actualEffortHours": "long"},
        {"hasDefect": "perhaps"},
        {"responseCategoryId": "unknown"},
        {"summary": "x" * 201},
        {"externalTicketId": "x" * 51},
        {"remarks": "nul \0 character"},
    ],
    ids=str,
)
async def test_bad_field_in_a_new_ticket_is_a_500_and_stores_nothing(
    app: Starlette, client: httpx2.AsyncClient, fault: dict[str, object]
) -> None:
    response = await client.post("/tickets", json=NEW_TICKET | fault)

    assert (response.status_code, response.json()) == (500, {"error": "An error occurred while creating ticket"})
    assert len(app.state.api.tickets) == 28


@pytest.mark.parametrize(
    "fault", [{"statusId": "unknown"}, {"updatedById": "unknown"}, {"completionDate": "x"}, {"comment": "\0"}], ids=str
)
async def test_bad_field_in_an_update_is_a_500_and_changes_nothing(
    client: httpx2.AsyncClient, fault: dict[str, str]
) -> None:
    before = (await client.get("/tickets/TCK-0003")).json()

    response = await client.put("/tickets/TCK-0003", json={"updatedById": "user1", "summary": "new"} | fault)

    assert (response.status_code, response.json()) == (500, {"error": "An error occurred while updating ticket"})
    assert (await client.get("/tickets/TCK-0003")).json() == before


@pytest.mark.parametrize("body", [b'{"summary":', b"5", b"\xff"], ids=str)
@pytest.mark.parametrize(("method", "path"), [("POST", "/tickets"), ("PUT", "/tickets/TCK-0001")])
async def test_broken_json_is_a_500_of_another_shape(
    client: httpx2.AsyncClient, method: str, path: str, body: bytes
) -> None:
    response = await client.request(method, path, content=body, headers={"content-type": "application/json"})

    assert response.status_code == 500
    assert list(response.json()) == ["error"]
    assert list(response.json()["error"]) == ["message"]


async def test_limit_zero_means_twenty(client: httpx2.AsyncClient) -> None:
    assert len(await listed(client, limit="0")) == 20


async def test_comment_after_an_update_of_an_unknown_ticket_is_acknowledged_and_lost(
    client: httpx2.AsyncClient,
) -> None:
    missing = await client.put("/tickets/TCK-9999", json={"updatedById": "user1", "summary": "x"})
    lost = await client.post("/tickets/TCK-0005/history", json={"userId": "user1", "comment": "first"})
    kept = await client.post("/tickets/TCK-0005/history", json={"userId": "user1", "comment": "second"})

    assert (missing.status_code, missing.json()) == (404, {"error": "Ticket not found"})
    assert (lost.status_code, kept.status_code) == (201, 201)
    assert await comments(client, "TCK-0005") == ["second"]


async def test_refused_comment_leaves_the_open_transaction_for_the_next_one(client: httpx2.AsyncClient) -> None:
    await client.put("/tickets/TCK-9999", json={})
    await client.post("/tickets/TCK-9999/history", json={"userId": "user1", "comment": "refused"})
    await client.post("/tickets/TCK-0005/history", json={"userId": "user1", "comment": "lost"})

    assert await comments(client, "TCK-0005") == []


@pytest.mark.parametrize("body", [{}, {"updatedById": "user1"}, {"summary": None}, {"attachments": []}, []], ids=str)
async def test_update_with_no_field_succeeds_and_adds_an_empty_entry(client: httpx2.AsyncClient, body: object) -> None:
    response = await client.put("/tickets/TCK-0005", json=body)

    assert (response.status_code, response.json()) == (
        200,
        {"id": "TCK-0005", "message": "Ticket updated successfully"},
    )
    [entry] = (await client.get("/tickets/TCK-0005/history")).json()
    assert (entry["comment"], entry["changedFields"]) == (None, [])


async def test_body_that_is_not_declared_as_json_counts_as_empty(client: httpx2.AsyncClient) -> None:
    response = await client.put("/tickets/TCK-0005", content='{"summary": "never seen"}')

    assert response.status_code == 200
    assert (await client.get("/tickets/TCK-0005")).json()["summary"] != "never seen"


async def test_attachments_of_a_new_ticket_are_dropped(client: httpx2.AsyncClient) -> None:
    attachments = [{"fileName": "a.png", "fileUrl": "https://files.example.com/a.png"}]

    created = await client.post("/tickets", json=NEW_TICKET | {"attachments": attachments})

    assert created.status_code == 201
    assert (await client.get(f"/tickets/{created.json()['id']}")).json()["attachments"] == []


async def test_category_detail_of_another_category_is_stored(client: httpx2.AsyncClient) -> None:
    created = await client.post("/tickets", json=NEW_TICKET | {"categoryId": "cat3", "categoryDetailId": "catd1"})

    ticket = (await client.get(f"/tickets/{created.json()['id']}")).json()
    assert (ticket["categoryId"], ticket["categoryDetailId"]) == ("cat3", "catd1")


async def test_completing_a_ticket_sets_no_completion_date(client: httpx2.AsyncClient) -> None:
    await client.put("/tickets/TCK-0005", json={"updatedById": "user1", "statusId": "stat4"})

    ticket = (await client.get("/tickets/TCK-0005")).json()
    assert (ticket["statusName"], ticket["completionDate"]) == ("Completed", None)


async def test_old_dates_in_history_are_javascript_date_strings(client: httpx2.AsyncClient) -> None:
    for day in ("2026-12-01", "2026-12-24"):
        await client.put("/tickets/TCK-0005", json={"updatedById": "user1", "scheduledCompletionDate": day})

    newest = (await client.get("/tickets/TCK-0005/history")).json()[0]
    assert newest["changedFields"] == [
        {
            "fieldName": "scheduledCompletionDate",
            "oldValue": "Tue Dec 01 2026 00:00:00 GMT+0000 (Coordinated Universal Time)",
            "newValue": "2026-12-24",
        }
    ]


async def test_hours_come_back_as_a_string(client: httpx2.AsyncClient) -> None:
    created = await client.post("/tickets", json=NEW_TICKET | {"actualEffortHours": 3.5})

    assert (await client.get(f"/tickets/{created.json()['id']}")).json()["actualEffortHours"] == "3.5"


async def test_completed_is_the_literal_status_stat4(app: Starlette, client: httpx2.AsyncClient) -> None:
    app.state.api.master["statuses"][3]["name"] = "Something else"

    ids = {row["ticketId"] for row in await listed(client, showCompleted="false")}

    assert {row["ticketId"] for row in await listed(client)} - ids == {"TCK-0002"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/x"), ("DELETE", "/tickets/TCK-0001"), ("POST", "/health"), ("GET", "/tickets/master/nothing")],
)
async def test_unknown_path_or_method_is_an_html_page(client: httpx2.AsyncClient, method: str, path: str) -> None:
    response = await client.request(method, path)

    assert (response.status_code, response.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert f"<pre>Cannot {method} {path}</pre>" in response.text


async def test_percent_and_underscore_in_a_search_are_wildcards(client: httpx2.AsyncClient) -> None:
    everything = await listed(client)

    assert await listed(client, searchQuery="%") == await listed(client, searchQuery="____") == everything
    assert [row["ticketId"] for row in await listed(client, searchQuery="repo_t%BREAKS")] == ["TCK-0004"]


async def test_history_of_an_unknown_ticket_is_an_empty_success(app: Starlette, client: httpx2.AsyncClient) -> None:
    response = await client.get("/tickets/TCK-9999/history")

    assert (response.status_code, response.json()) == (200, [])
    assert "TCK-9999" not in app.state.api.history


async def test_role_filter_on_users_is_ignored(client: httpx2.AsyncClient) -> None:
    filtered = (await client.get("/tickets/master/users?role=support")).json()

    assert len(filtered) == 8
    assert [user["name"] for user in filtered] == sorted(user["name"] for user in filtered)


async def test_repeat_with_the_same_idempotency_key_creates_twice(app: Starlette, client: httpx2.AsyncClient) -> None:
    key = {"idempotency-key": "once"}
    first, second = [(await client.post("/tickets", json=NEW_TICKET, headers=key)).json()["id"] for _ in range(2)]

    assert (first, second) == ("TCK-0029", "TCK-0030")


# Promises that the client may rely on


async def test_health_needs_no_key(app: Starlette, client: httpx2.AsyncClient) -> None:
    del client.headers["x-api-key"]
    response = await client.get("/health")

    assert (response.status_code, response.json()) == (200, {"status": "OK", "timestamp": "2026-11-20T09:30:00.000Z"})
    assert app.state.api.requests == [("GET", "/health", None)]


@pytest.mark.parametrize(("key", "error"), [("", "Missing API key"), ("wrong", "Invalid API key")])
async def test_everything_else_is_refused_without_the_key(client: httpx2.AsyncClient, key: str, error: str) -> None:
    client.headers["x-api-key"] = key
    response = await client.get("/tickets")

    assert response.status_code == 401
    assert set(response.json()) == {"error", "message"}
    assert response.json()["error"] == error


async def test_list_row_has_the_promised_fields(client: httpx2.AsyncClient) -> None:
    rows = await listed(client)

    assert {" ".join(sorted(row)) for row in rows} == {
        "accountName categoryDetailName categoryName externalTicketId personInChargeName receptionDateTime "
        "remainingDays requestorName scheduledCompletionDate statusName summary ticketId"
    }
    assert {row["ticketId"]: row["remainingDays"] for row in rows}["TCK-0010"] == 2
    assert {row["ticketId"]: row["remainingDays"] for row in rows}["TCK-0012"] is None


async def test_ticket_has_the_promised_fields(client: httpx2.AsyncClient) -> None:
    ticket = (await client.get("/tickets/TCK-0005")).json()

    assert " ".join(sorted(ticket)) == (
        "accountId accountName actualEffortHours attachments categoryDetailId categoryDetailName categoryId "
        "categoryName completionDate description externalTicketId hasDefect id personInChargeId personInChargeName "
        "receptionDateTime remarks requestChannelId requestChannelName requestorId requestorName responseCategoryId "
        "responseCategoryName responseDetails scheduledCompletionDate statusId statusName summary"
    )
    assert [sorted(file) for file in ticket["attachments"]] == [["fileName", "fileUrl", "id", "uploadedAt"]] * 2
    assert (await client.get("/tickets/TCK-9999")).json() == {"error": "Ticket not found"}


async def test_new_ticket_is_received_now_unless_it_says_when(client: httpx2.AsyncClient) -> None:
    for given, stored in ((None, "2026-11-20 09:30"), ("2026-11-19T23:00:00+09:00", "2026-11-19 14:00")):
        created = (await client.post("/tickets", json=NEW_TICKET | {"receptionDateTime": given})).json()
        ticket = (await client.get(f"/tickets/{created['id']}")).json()

        assert created["message"] == "Ticket created successfully"
        assert ticket["receptionDateTime"] == stored
        assert ticket["hasDefect"] is False


async def test_update_keeps_what_is_absent_or_null_and_records_what_changed(client: httpx2.AsyncClient) -> None:
    before = (await client.get("/tickets/TCK-0003")).json()
    body = {"updatedById": "user1", "comment": "!", "statusId": "stat3", "hasDefect": True, "summary": None}

    await client.put("/tickets/TCK-0003", json=body)

    changed = {"statusId": "stat3", "statusName": "Waiting", "hasDefect": True}
    assert (await client.get("/tickets/TCK-0003")).json() == before | changed
    newest = (await client.get("/tickets/TCK-0003/history")).json()[0]
    assert newest == {
        "id": newest["id"],
        "timestamp": "2026-11-20T09:30:00.000Z",
        "userId": "user1",
        "userName": "Ingrid Solberg",
        "comment": "!",
        "changedFields": [
            {"fieldName": "statusId", "oldValue": "stat1", "newValue": "stat3"},
            {"fieldName": "hasDefect", "oldValue": "false", "newValue": "true"},
        ],
    }


@pytest.mark.parametrize(
    ("ticket_id", "body", "status", "error"),
    [
        ("TCK-0001", {"comment": "x"}, 400, "User ID and comment are required"),
        ("TCK-0001", {"userId": "user1", "comment": ""}, 400, "User ID and comment are required"),
        ("TCK-0001", {"userId": "unknown", "comment": "x"}, 400, "User not found"),
        ("TCK-9999", {"userId": "user1", "comment": "x"}, 404, "Ticket not found"),
    ],
)
async def test_refused_comment_says_why(
    client: httpx2.AsyncClient, ticket_id: str, body: dict[str, str], status: int, error: str
) -> None:
    response = await client.post(f"/tickets/{ticket_id}/history", json=body)

    assert (response.status_code, response.json()) == (status, {"error": error})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"statusId": "stat4"}, ["TCK-0002"]),
        ({"searchQuery": "在庫"}, ["TCK-0003"]),
        ({"searchQuery": "[a-z]"}, []),
        ({"limit": "2", "offset": "1"}, ["TCK-0027", "TCK-0026"]),
        ({"scheduledCompletionDateFrom": "2026-12-08"}, ["TCK-0028", "TCK-0027", "TCK-0026"]),
        ({"scheduledCompletionDateTo": "2026-11-15"}, ["TCK-0003", "TCK-0002"]),
        ({"personInChargeId": "user2", "accountId": "acc2", "limit": "1"}, ["TCK-0016"]),
    ],
    ids=str,
)
async def test_list_is_filtered(client: httpx2.AsyncClient, query: dict[str, str], expected: list[str]) -> None:
    assert [row["ticketId"] for row in await listed(client, **query)] == expected


async def test_limit_is_twenty_and_completed_tickets_are_hidden_unless_asked_for(client: httpx2.AsyncClient) -> None:
    rows = (await client.get("/tickets")).json()
    every = (await client.get("/tickets?limit=50")).json()

    assert len(rows) == 20
    assert "TCK-0002" not in {row["ticketId"] for row in every}


@pytest.mark.parametrize(
    ("table", "count", "fields"),
    [
        ("users", 8, "email id name role"),
        ("accounts", 3, "id name orderNo"),
        ("categories", 3, "id name orderNo"),
        ("category-details", 6, "categoryId categoryName id name orderNo"),
        ("category-details?categoryId=cat1", 2, "categoryId categoryName id name orderNo"),
        ("statuses", 4, "id name orderNo"),
        ("request-channels", 5, "id name orderNo"),
        ("response-categories", 3, "id name orderNo parentCategory"),
    ],
)
async def test_master_table_has_the_promised_rows(
    client: httpx2.AsyncClient, table: str, count: int, fields: str
) -> None:
    rows = (await client.get(f"/tickets/master/{table}")).json()

    assert len(rows) == count
    assert {" ".join(sorted(row)) for row in rows} == {fields}


async def test_paths_are_matched_like_express_does(client: httpx2.AsyncClient) -> None:
    """The undecoded path counts, and a trailing slash is ignored: an empty id is the list."""
    escaped = await client.get("/tickets/a%2Fb")
    trailing = await client.get("/tickets/")

    assert (escaped.status_code, escaped.json()) == (404, {"error": "Ticket not found"})
    assert isinstance(trailing.json(), list)


async def test_sample_holds_the_tickets_that_are_hard_to_show(client: httpx2.AsyncClient) -> None:
    history = (await client.get("/tickets/TCK-0001/history")).json()
    stamps = [entry["timestamp"] for entry in history]
    changes = {change["fieldName"]: change for entry in history for change in entry["changedFields"]}

    assert len(history) == 5
    assert stamps == sorted(stamps, reverse=True)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp) for stamp in stamps)
    assert set(changes) == {"statusId", "scheduledCompletionDate", "actualEffortHours"}
    assert re.search(r"\|.*\n.*<script>", (await client.get("/tickets/TCK-0004")).json()["description"], re.DOTALL)


async def test_two_apps_share_nothing_and_remember_what_they_were_asked(client: httpx2.AsyncClient) -> None:
    one, other = create_app(now=lambda: NOW), create_app(now=lambda: NOW)
    body = {"userId": "user1", "comment": "only here"}
    transport = httpx2.ASGITransport(one)
    async with httpx2.AsyncClient(transport=transport, base_url="http://one") as keyed:
        await keyed.post("/tickets/TCK-0009/history?x=1", json=body, headers={"x-api-key": "standin-key"})

    assert one.state.api.requests == [("POST", "/tickets/TCK-0009/history", body)]
    assert [entry["comment"] for entry in one.state.api.history["TCK-0009"]] == ["only here"]
    assert (other.state.api.requests, other.state.api.history.get("TCK-0009")) == ([], None)
    assert other.state.api.tickets == create_app(now=lambda: NOW).state.api.tickets


async def test_process_prints_its_address_serves_and_ends_on_sigterm() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.standin", "--port", "0", "--api-key", "other"),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        found = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)", line.decode().strip())
        assert found is not None
        async with httpx2.AsyncClient(base_url=found[1], headers={"x-api-key": "other"}, timeout=20) as client:
            assert len((await client.get("/tickets/master/users")).json()) == 8
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 30)
