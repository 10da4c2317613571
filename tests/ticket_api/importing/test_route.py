"""Importing tickets by REST: the same rules and the same report as on the command line."""

import json
from typing import Any, Final

import pytest
from httpx2 import AsyncClient

from shared.storage.database import resolve_url
from shared.storage.transactions import open_transactions
from tests.captured_logs import capture_logs
from tests.ticket_api.conftest import KEY, NOW, Clock, running
from tests.ticket_api.importing.files import row
from ticket_api.commands import add_key, add_tenant
from ticket_api.sample import filler

PATH: Final = "/tickets/import"


async def _tickets(api: AsyncClient) -> list[str]:
    rows = (await api.get("/tickets", params={"limit": 200, "showCompleted": "true"})).json()
    return sorted(one["externalTicketId"] for one in rows if (one["externalTicketId"] or "").startswith("OLD-"))


async def test_rows_are_stored_once_and_found_by_search_at_once(api: AsyncClient) -> None:
    rows = [row(1), {**row(2, statusId="completed", summary="Zeppelin"), "hasDefect": True, "actualEffortHours": 1.5}]
    first = await api.post(PATH, json={"rows": rows})
    assert first.status_code == 200
    assert first.json() == {
        "created": 2,
        "alreadyThere": 0,
        "faulty": 0,
        "rows": [
            {"row": 1, "externalTicketId": "OLD-1", "id": "TCK-0051", "result": "created"},
            {"row": 2, "externalTicketId": "OLD-2", "id": "TCK-0052", "result": "created"},
        ],
        "problems": [],
    }
    again = (await api.post(PATH, json={"rows": [*rows, row(3)]})).json()
    assert (again["created"], again["alreadyThere"]) == (1, 2)
    assert await _tickets(api) == ["OLD-1", "OLD-2", "OLD-3"]
    found = await api.get("/tickets", params={"searchWords": "zeppelin locked", "showCompleted": "true"})
    assert [one["ticketId"] for one in found.json()] == ["TCK-0052"]


async def test_faulty_rows_are_all_named_and_nothing_is_stored(sqlite_api: AsyncClient) -> None:
    rows = [row(1), row(2, statusId="Nwe", dueDate="x"), {"externalTicketId": 3}]
    refused = await sqlite_api.post(PATH, json={"rows": rows})
    body = refused.json()
    assert (refused.status_code, body["kind"], body["field"]) == (400, "faulty_rows", "rows")
    assert body["error"].startswith("2 of 3 rows are faulty. Nothing was stored")
    named = [(problem["row"], problem["field"]) for problem in body["problems"]]
    assert named[:2] == [(2, "dueDate"), (2, "statusId")]
    assert {field for number, field in named if number == 3} >= {"externalTicketId", "summary", "statusId"}
    assert await _tickets(sqlite_api) == []


async def test_a_dry_run_reports_and_stores_nothing_and_faulty_rows_can_be_skipped(sqlite_api: AsyncClient) -> None:
    rows = [row(1), row(2, statusId="Nwe")]
    tried = await sqlite_api.post(PATH, json={"rows": rows, "dryRun": True})
    assert (tried.status_code, tried.json()["created"], tried.json()["faulty"]) == (200, 1, 1)
    assert tried.json()["rows"][0]["id"] is None
    assert await _tickets(sqlite_api) == []
    stored = await sqlite_api.post(PATH, json={"rows": rows, "skipFaulty": True})
    assert [problem["row"] for problem in stored.json()["problems"]] == [2]
    assert await _tickets(sqlite_api) == ["OLD-1"]


async def test_attachments_of_a_row_are_stored_with_it(sqlite_api: AsyncClient) -> None:
    files = [{"fileName": "a.png", "fileUrl": "https://files.example.com/a.png"}]
    await sqlite_api.post(PATH, json={"rows": [row(1), {**row(2), "attachments": files}]})
    shown = (await sqlite_api.get("/tickets/TCK-0052")).json()
    assert [file["fileName"] for file in shown["attachments"]] == ["a.png"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"rows": []}, "rows", id="none"),
        pytest.param({"rows": [{}] * 501}, "rows", id="many"),
        pytest.param({"rows": ["x"]}, "rows.0", id="no-object"),
        pytest.param({"rows": [{}], "dryRun": "yes"}, "dryRun", id="truth"),
        pytest.param({"row": [{}]}, "row", id="unknown"),
    ],
)
async def test_a_body_of_another_shape_is_refused(sqlite_api: AsyncClient, body: dict[str, Any], field: str) -> None:
    refused = await sqlite_api.post(PATH, json=body)
    assert (refused.status_code, refused.json()["field"]) == (400, field)


async def test_any_json_in_a_row_gets_a_short_answer(sqlite_api: AsyncClient) -> None:
    nested = "[" * 300 + "]" * 300
    values = ('"\\ud800"', "[[[]]]", nested, "1e400", "NaN", "{}", "[1]", "true", '"\\u0000"', "9" * 3_000)
    fields = ("externalTicketId", "categoryId", "hasDefect", "attachments", "actualEffortHours", "x" * 500)
    for field in fields:
        for value in values:
            text = json.dumps({"rows": [row(1), {**row(2), field: "VALUE"}], "dryRun": True})
            body = text.replace('"VALUE"', value).encode()
            answer = await sqlite_api.post(PATH, content=body, headers={"content-type": "application/json"})
            assert answer.status_code in {200, 400}, (field, value)
            assert len(answer.content) < 2_000, (field, value)


async def test_a_repeated_key_returns_the_first_response_in_whatever_order_fields_come(sqlite_api: AsyncClient) -> None:
    key = {"Idempotency-Key": "one"}
    file = {"fileName": "a.png", "fileUrl": "https://files.example.com/a.png"}
    sent = {**row(1), "attachments": [file]}
    turned = {name: sent[name] for name in reversed(sent)} | {"attachments": [dict(reversed(file.items()))]}
    first = await sqlite_api.post(PATH, json={"rows": [sent]}, headers=key)
    again = await sqlite_api.post(PATH, json={"rows": [turned]}, headers=key)
    assert (first.json()["created"], again.content) == (1, first.content)


async def test_only_a_key_that_may_administer_imports_and_only_into_its_own_tenant(
    sqlite_url: str, clock: Clock
) -> None:
    async with open_transactions(resolve_url(sqlite_url)) as transactions:
        fill = filler("en", clock)
        made = await add_tenant(transactions, "acme", name=None, fill=fill, now=NOW, may_administer=True)
        plain = await add_key(transactions, "acme", now=NOW)
    async with running(sqlite_url, clock, KEY) as client:
        for key in (KEY, plain.key):
            refused = await client.post(PATH, json={"rows": [row(1)]}, headers={"x-api-key": key})
            assert (refused.status_code, refused.json()["kind"]) == (403, "needs_admin_key")
        with capture_logs() as logs:
            stored = await client.post(PATH, json={"rows": [row(1)]}, headers={"x-api-key": made.key})
        assert stored.json()["created"] == 1
        assert await _tickets(client) == []
        client.headers["x-api-key"] = plain.key
        assert await _tickets(client) == ["OLD-1"]
    (line,) = [log for log in logs if log["message"] == "audit"]
    assert (line["action"], line["tenant"], line["object"]) == ("tickets_imported", "acme", "tickets")
