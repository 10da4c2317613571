"""The traps of the existing API, each fixed: the third column of its table, over both databases."""

from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.ticket_api.conftest import Clock, new_ticket


async def create(api: AsyncClient, **more: Any) -> str:
    response = await api.post("/tickets", json=new_ticket(**more))
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def change(api: AsyncClient, ticket_id: str, **fields: Any) -> Any:
    return await api.put(f"/tickets/{ticket_id}", json={"updatedById": "user2", **fields})


async def read(api: AsyncClient, ticket_id: str) -> dict[str, Any]:
    ticket: dict[str, Any] = (await api.get(f"/tickets/{ticket_id}")).json()
    return ticket


async def last_changes(api: AsyncClient, ticket_id: str) -> list[dict[str, str | None]]:
    entry, *_ = (await api.get(f"/tickets/{ticket_id}/history")).json()
    changes: list[dict[str, str | None]] = entry["changedFields"]
    return changes


@pytest.mark.parametrize("column", ["receptionDateTime", "scheduledCompletionDate", "completionDate"])
async def test_both_directions_are_honoured_and_empty_dates_come_last(api: AsyncClient, column: str) -> None:
    query = {"sortBy": column, "limit": "200", "showCompleted": "true"}
    up = (await api.get("/tickets", params={**query, "sortOrder": "asc"})).json()
    down = (await api.get("/tickets", params={**query, "sortOrder": "desc"})).json()

    async def value(row: dict[str, Any]) -> str | None:
        found: str | None = row[column] if column in row else (await read(api, row["ticketId"]))[column]
        return found

    rising = [await value(row) for row in up]
    dated = [day for day in rising if day]
    assert dated == sorted(dated)
    assert rising == [*dated, *[None] * (50 - len(dated))]
    assert [row["ticketId"] for row in down] == sorted(
        (row["ticketId"] for row in up),
        key=lambda id_: (
            (day := dict(zip([r["ticketId"] for r in up], rising, strict=True))[id_]) is not None,
            day,
            id_,
        ),
        reverse=True,
    )


async def test_equal_dates_are_ordered_by_number_beyond_four_digits(api: AsyncClient) -> None:
    for _ in range(3):
        await create(api, receptionDateTime="2026-11-20 12:00")

    rows = (await api.get("/tickets", params={"limit": "3", "sortOrder": "desc"})).json()

    assert [row["ticketId"] for row in rows] == ["TCK-0053", "TCK-0052", "TCK-0051"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=-1", "limit=ten", "limit=1.0", "offset=-1", "offset=1e3"]
)
async def test_a_page_outside_of_its_bounds_is_refused(api: AsyncClient, query: str) -> None:
    response = await api.get(f"/tickets?{query}")

    assert response.status_code == 400
    assert response.json()["field"] == query.partition("=")[0]


async def test_a_role_is_filtered(api: AsyncClient) -> None:
    users = (await api.get("/tickets/master/users", params={"role": "engineering"})).json()

    assert [user["id"] for user in users] == ["user5"]
    assert (await api.get("/tickets/master/users", params={"role": "unknown"})).json() == []


@pytest.mark.parametrize(("summary", "found", "not_found"), [
    ("Discount of 5% is ignored", "5%", "5%ignored"),
    ("Column file_name is empty", "e_n", "fil_name"),
    ("Path C:\\temp is full", "c:\\T", "C\\:"),
    ("Slash a/b in the name", "a/b", "a//b"),
])  # fmt: skip
async def test_wildcards_are_ordinary_characters(api: AsyncClient, summary: str, found: str, not_found: str) -> None:
    ticket_id = await create(api, summary=summary)

    async def search(text: str) -> list[str]:
        rows = (await api.get("/tickets", params={"searchQuery": text, "limit": "200"})).json()
        return [row["ticketId"] for row in rows]

    assert await search(found) == [ticket_id]
    assert await search(not_found) == []
    assert ticket_id in await search("")


@pytest.mark.parametrize(("stored", "searched"), [
    ("Straße gesperrt", "STRASSE GES"),
    ("ÉCRAN NOIR", "écran"),
    ("ｶﾀｶﾅの表示が崩れる", "カタカナ"),
    ("バージョン２．０の不具合", "2.0"),
    ("ＡＰＩが遅い", "api"),
])  # fmt: skip
async def test_search_knows_case_and_width_beyond_ascii(api: AsyncClient, stored: str, searched: str) -> None:
    ticket_id = await create(api, summary=stored)

    rows = (await api.get("/tickets", params={"searchQuery": searched, "limit": "200"})).json()

    assert ticket_id in {row["ticketId"] for row in rows}


async def test_search_follows_a_changed_summary(api: AsyncClient) -> None:
    ticket_id = await create(api, summary="Zebra crossing")

    await change(api, ticket_id, summary="Okapi crossing")

    assert (await api.get("/tickets?searchQuery=zebra")).json() == []
    assert [row["ticketId"] for row in (await api.get("/tickets?searchQuery=OKAPI")).json()] == [ticket_id]


async def test_an_update_of_an_unknown_ticket_leaves_nothing_behind(api: AsyncClient) -> None:
    """In the existing API, the next comment on that connection is acknowledged and lost."""
    for _ in range(12):  # more than the connections of the pool
        assert (await change(api, "TCK-9999", comment="Hello")).status_code == 404

    response = await api.post("/tickets/TCK-0001/history", json={"userId": "user1", "comment": "Still here"})

    assert response.status_code == 201
    assert (await api.get("/tickets/TCK-0001/history")).json()[0]["comment"] == "Still here"


@pytest.mark.parametrize("fields", [{}, {"summary": "Keyboard types the wrong letters"}, {"remarks": None}])
async def test_an_update_that_changes_nothing_is_refused_and_not_recorded(
    api: AsyncClient, fields: dict[str, Any]
) -> None:
    ticket_id = await create(api)

    response = await change(api, ticket_id, **fields)

    assert response.status_code == 400
    assert response.json()["error"].startswith("Nothing to change")
    assert (await api.get(f"/tickets/{ticket_id}/history")).json() == []


async def test_an_update_with_a_comment_alone_is_recorded(api: AsyncClient) -> None:
    ticket_id = await create(api)

    assert (await change(api, ticket_id, comment="Called")).status_code == 200

    assert await last_changes(api, ticket_id) == []


async def test_attachments_are_stored(api: AsyncClient, clock: Clock) -> None:
    files = [{"fileName": f"{n}.png", "fileUrl": f"https://files.example.com/{n}"} for n in range(20)]

    ticket = await read(api, await create(api, attachments=files))

    assert [{k: file[k] for k in ("fileName", "fileUrl")} for file in ticket["attachments"]] == files
    assert {file["uploadedAt"] for file in ticket["attachments"]} == {"2026-11-20T03:04:05.678Z"}
    assert len({file["id"] for file in ticket["attachments"]}) == 20


async def test_a_detail_of_another_category_is_refused_with_those_that_fit(api: AsyncClient) -> None:
    response = await api.post("/tickets", json=new_ticket(categoryDetailId="catd7"))

    assert response.status_code == 400
    assert response.json()["field"] == "categoryDetailId"
    assert response.json()["allowed"] == ["catd1", "catd2", "catd3"]


@pytest.mark.parametrize("fields", [{"categoryId": "cat2"}, {"categoryDetailId": "catd4"}])
async def test_half_of_a_pair_is_held_against_the_other_half(api: AsyncClient, fields: dict[str, str]) -> None:
    ticket_id = await create(api)

    assert (await change(api, ticket_id, **fields)).json()["field"] == "categoryDetailId"
    assert (await change(api, ticket_id, categoryId="cat2", categoryDetailId="catd4")).status_code == 200
    assert (await change(api, ticket_id, categoryDetailId="catd5")).status_code == 200


async def test_completing_sets_the_date_and_leaving_completed_clears_it(api: AsyncClient, clock: Clock) -> None:
    today = clock.now.astimezone().date().isoformat()
    ticket_id = await create(api)

    await change(api, ticket_id, statusId="stat4")
    assert (await read(api, ticket_id))["completionDate"] == today
    assert {"fieldName": "completionDate", "oldValue": None, "newValue": today} in await last_changes(api, ticket_id)

    await change(api, ticket_id, statusId="stat2")
    assert (await read(api, ticket_id))["completionDate"] is None
    assert {"fieldName": "completionDate", "oldValue": today, "newValue": None} in await last_changes(api, ticket_id)


async def test_a_completion_date_that_was_given_is_kept(api: AsyncClient) -> None:
    created = await create(api, statusId="stat4", completionDate="2026-11-01")
    assert (await read(api, created))["completionDate"] == "2026-11-01"
    changed = await create(api)
    await change(api, changed, completionDate="2026-11-02")
    await change(api, changed, statusId="stat4")
    assert (await read(api, changed))["completionDate"] == "2026-11-02"
    await change(api, changed, statusId="stat1", completionDate="2026-11-03")
    assert (await read(api, changed))["completionDate"] == "2026-11-03"


async def test_a_ticket_created_as_completed_is_completed_today(api: AsyncClient, clock: Clock) -> None:
    ticket = await read(api, await create(api, statusId="stat4"))

    assert ticket["completionDate"] == clock.now.astimezone().date().isoformat()


async def test_completed_is_a_flag_and_not_an_id(api: AsyncClient) -> None:
    rows = (await api.get("/tickets?showCompleted=true&statusId=stat4&limit=200")).json()

    assert {row["remainingDays"] for row in rows} == {None}
    assert any(row["scheduledCompletionDate"] for row in rows)


async def test_history_names_ids_and_shows_values_as_a_ticket_does(api: AsyncClient) -> None:
    ticket_id = await create(api, scheduledCompletionDate="2026-12-01")

    await change(
        api, ticket_id, scheduledCompletionDate="2026-12-24", actualEffortHours="0.5", hasDefect=True,
        personInChargeId="user2", responseCategoryId="resp1",
    )  # fmt: skip

    assert {
        field["fieldName"]: (field["oldValue"], field["newValue"]) for field in await last_changes(api, ticket_id)
    } == {
        "scheduledCompletionDate": ("2026-12-01", "2026-12-24"),
        "actualEffortHours": (None, "0.5"),
        "hasDefect": ("false", "true"),
        "personInChargeId": ("Avery Lindqvist", "Priya Marchetti"),
        "responseCategoryId": (None, "Explained how it works"),
    }


async def test_the_history_of_an_unknown_ticket_is_a_404(api: AsyncClient) -> None:
    response = await api.get("/tickets/TCK-9999/history")

    assert (response.status_code, response.json()) == (404, {"error": "Ticket not found"})


@pytest.mark.parametrize("name", [
    "requestorId", "accountId", "categoryId", "categoryDetailId", "requestChannelId", "personInChargeId", "statusId",
    "responseCategoryId",
])  # fmt: skip
async def test_an_unknown_id_is_refused_with_the_ids_that_exist(api: AsyncClient, name: str) -> None:
    created = await api.post("/tickets", json=new_ticket(**{name: "nonsense"}))
    changed = await change(api, "TCK-0001", **{name: "nonsense"})

    for response in (created, changed):
        assert response.status_code == 400
        assert response.json()["field"] == name
        assert new_ticket(responseCategoryId="resp1")[name] in response.json()["allowed"]
        assert "nonsense" in response.json()["error"]


async def test_an_update_names_who_does_it(api: AsyncClient) -> None:
    no_principal = await api.put("/tickets/TCK-0001", json={"comment": "Hello"})
    stranger = await api.put("/tickets/TCK-0001", json={"comment": "Hello", "updatedById": "user99"})

    assert (no_principal.status_code, no_principal.json()) == (
        400,
        {"error": "updatedById is required", "field": "updatedById"},
    )
    assert (stranger.status_code, stranger.json()["field"]) == (400, "updatedById")
    assert "user1" in stranger.json()["allowed"]


async def test_a_refused_write_leaves_no_trace(api: AsyncClient) -> None:
    before = await read(api, "TCK-0001"), (await api.get("/tickets/TCK-0001/history")).json()

    await change(api, "TCK-0001", summary="Changed", statusId="nonsense")
    await api.post("/tickets", json=new_ticket(statusId="nonsense"))

    assert (await read(api, "TCK-0001"), (await api.get("/tickets/TCK-0001/history")).json()) == before
    assert await create(api) == "TCK-0051"


@pytest.mark.parametrize("words", ["loose  BOLT", "bolt ext-9", "ぼると", "rattles loose", "loose Tck-"])
async def test_search_words_are_found_in_any_order_and_field(api: AsyncClient, words: str) -> None:
    about = {"summary": "Loose bolt ボルト", "description": "It rattles.", "externalTicketId": "EXT-9"}
    ticket_id = await create(api, **about)

    async def search(text: str) -> list[str]:
        rows = (await api.get("/tickets", params={"searchWords": text})).json()
        return [row["ticketId"] for row in rows]

    assert await search(words) == [ticket_id]
    assert await search(f"{words} xyzzyq") == []
    refused = await api.get("/tickets", params={"searchWords": "a " * 11})
    assert (refused.status_code, refused.json()["error"]) == (400, "searchWords must have at most 10 words")
