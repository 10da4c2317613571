"""`clear` in an update empties optional fields, and `features` of `/health` announces it."""

from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from tests.ticket_api.conftest import Clock, new_ticket
from ticket_api import create_app

FULL: dict[str, str] = {
    "scheduledCompletionDate": "2026-12-01",
    "completionDate": "2026-11-30",
    "actualEffortHours": "3.5",
    "responseCategoryId": "resp1",
    "responseDetails": "Replaced the keyboard.",
    "externalTicketId": "EXT-7",
    "remarks": "Paid by the supplier.",
}
SHOWN = {**FULL, "responseCategoryId": "Explained how it works"}
"""The values as the history shows them."""


async def create(api: AsyncClient, **more: Any) -> str:
    response = await api.post("/tickets", json=new_ticket(**{**FULL, **more}))
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def change(api: AsyncClient, ticket_id: str, *, key: str | None = None, **fields: Any) -> Response:
    headers = {} if key is None else {"idempotency-key": key}
    return await api.put(f"/tickets/{ticket_id}", json={"updatedById": "user2", **fields}, headers=headers)


async def read(api: AsyncClient, ticket_id: str) -> dict[str, Any]:
    ticket: dict[str, Any] = (await api.get(f"/tickets/{ticket_id}")).json()
    return ticket


async def last_changes(api: AsyncClient, ticket_id: str) -> dict[str, tuple[str | None, str | None]]:
    entry, *_ = (await api.get(f"/tickets/{ticket_id}/history")).json()
    return {field["fieldName"]: (field["oldValue"], field["newValue"]) for field in entry["changedFields"]}


@pytest.mark.parametrize("name", FULL)
async def test_a_field_is_emptied_and_the_history_has_its_old_value(api: AsyncClient, name: str) -> None:
    ticket_id = await create(api)
    before = await read(api, ticket_id)

    response = await change(api, ticket_id, clear=[name])

    assert response.status_code == 200, response.text
    emptied = {name: None, **({"responseCategoryName": None} if name == "responseCategoryId" else {})}
    assert await read(api, ticket_id) == {**before, **emptied}
    assert await last_changes(api, ticket_id) == {name: (SHOWN[name], None)}


async def test_all_of_them_at_once_beside_a_change_and_a_comment(api: AsyncClient) -> None:
    ticket_id = await create(api)

    response = await change(api, ticket_id, clear=list(FULL), summary="Emptied", comment="As agreed")

    assert response.status_code == 200, response.text
    ticket = await read(api, ticket_id)
    assert {ticket[name] for name in FULL} == {None}
    changes = await last_changes(api, ticket_id)
    assert changes.pop("summary") == (new_ticket()["summary"], "Emptied")
    assert changes == {name: (old, None) for name, old in SHOWN.items()}


async def test_null_still_says_nothing_beside_clear_too(api: AsyncClient) -> None:
    ticket_id = await create(api)

    assert (await change(api, ticket_id, remarks=None, comment="x")).status_code == 200
    assert (await read(api, ticket_id))["remarks"] == FULL["remarks"]

    assert (await change(api, ticket_id, remarks=None, clear=["remarks"])).status_code == 200
    assert (await read(api, ticket_id))["remarks"] is None


@pytest.mark.parametrize(("clear", "says"), [
    (["hasDefect"], "can only name fields that may be empty"),
    (["summary"], "can only name fields that may be empty"),
    (["comment"], "can only name fields that may be empty"),
    (["scheduled_completion_date"], "can only name fields that may be empty"),
    (["remarks", "nonsense"], "can only name fields that may be empty"),
    ([None], "can only name fields that may be empty"),
    ([["remarks"]], "can only name fields that may be empty"),
    (["remarks", "remarks"], "names a field more than once"),
    (["remarks"] * 8, "at most 7 entries"),
    (["nonsense"] * 50_000, "at most 7 entries"),
    ("remarks", "must be a list"),
    ({"remarks": None}, "must be a list"),
    (True, "must be a list"),
])  # fmt: skip
async def test_what_cannot_be_cleared_is_refused_with_what_can(sqlite_api: AsyncClient, clear: Any, says: str) -> None:
    ticket_id = await create(sqlite_api)
    before = await read(sqlite_api, ticket_id)

    response = await change(sqlite_api, ticket_id, clear=clear, comment="x")

    assert (response.status_code, response.json()["field"]) == (400, "clear")
    assert says in response.json()["error"]
    assert response.json()["allowed"] == list(FULL)
    assert len(response.content) < 1000
    assert await read(sqlite_api, ticket_id) == before


@pytest.mark.parametrize("name", FULL)
async def test_a_value_for_a_field_that_is_emptied_is_refused(sqlite_api: AsyncClient, name: str) -> None:
    ticket_id = await create(sqlite_api)

    response = await change(sqlite_api, ticket_id, clear=[name], **{name: FULL[name]})

    assert (response.status_code, response.json()["field"]) == (400, name)
    assert response.json()["error"] == f"{name} is given a value and is named in clear: send one of the two"
    assert (await read(sqlite_api, ticket_id))[name] == FULL[name]


@pytest.mark.parametrize("clear", [["remarks", "completionDate"], []])
async def test_emptying_what_is_empty_is_no_change(api: AsyncClient, clear: list[str]) -> None:
    ticket_id = str((await api.post("/tickets", json=new_ticket())).json()["id"])

    response = await change(api, ticket_id, clear=clear)

    assert response.status_code == 400
    assert response.json()["error"].startswith("Nothing to change")
    assert (await api.get(f"/tickets/{ticket_id}/history")).json() == []
    assert (await change(api, ticket_id, clear=clear, comment="x")).status_code == 200
    assert await last_changes(api, ticket_id) == {}


async def test_a_completion_date_that_is_emptied_stays_empty(api: AsyncClient) -> None:
    """Even if the status becomes completed in the same request, or is sent again unchanged."""
    ticket_id = await create(api, completionDate=None)

    assert (await change(api, ticket_id, statusId="stat4", clear=["completionDate"])).status_code == 200
    assert (await read(api, ticket_id))["completionDate"] is None
    assert (await change(api, ticket_id, statusId="stat4", summary="Sent as it is")).status_code == 200
    assert (await read(api, ticket_id))["completionDate"] is None


async def test_completing_again_sets_the_date_again(api: AsyncClient, clock: Clock) -> None:
    ticket_id = await create(api, statusId="stat4")
    await change(api, ticket_id, clear=["completionDate"])

    await change(api, ticket_id, statusId="stat1")
    await change(api, ticket_id, statusId="stat4")

    assert (await read(api, ticket_id))["completionDate"] == clock.now.astimezone().date().isoformat()


async def test_what_is_emptied_is_part_of_what_an_idempotency_key_stands_for(api: AsyncClient) -> None:
    ticket_id = await create(api)
    first = await change(api, ticket_id, key="k", clear=["remarks", "actualEffortHours"], comment="x")

    again = await change(api, ticket_id, key="k", clear=["actualEffortHours", "remarks"], comment="x")
    other = await change(api, ticket_id, key="k", clear=["remarks"], comment="x")
    none = await change(api, ticket_id, key="k", comment="x")

    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)
    assert (other.status_code, none.status_code) == (409, 409)
    assert len((await api.get(f"/tickets/{ticket_id}/history")).json()) == 1


async def test_emptying_nothing_is_the_request_without_clear(api: AsyncClient) -> None:
    ticket_id = await create(api)
    first = await change(api, ticket_id, key="k", comment="x")

    nothing: tuple[list[str] | None, ...] = (None, [])
    for clear in nothing:
        assert (await change(api, ticket_id, key="k", comment="x", clear=clear)).content == first.content


async def test_a_new_ticket_has_nothing_to_clear(sqlite_api: AsyncClient) -> None:
    response = await sqlite_api.post("/tickets", json=new_ticket(clear=["remarks"]))

    assert (response.status_code, response.json()["field"]) == (400, "clear")


async def test_health_lists_what_clients_may_rely_on(sqlite_api: AsyncClient) -> None:
    features = (await sqlite_api.get("/health")).json()["features"]

    assert {
        "attachments", "clear", "completion-date", "idempotency-key", "search-literal", "search-words", "total-order",
    } <= set(features)  # fmt: skip
    assert features == sorted(set(features))


def test_the_document_has_clear_and_every_feature() -> None:
    schemas = create_app(database_url="sqlite:///never-opened.sqlite3").openapi()["components"]["schemas"]
    clear, features = schemas["TicketChange"]["properties"]["clear"], schemas["Health"]["properties"]["features"]

    assert clear["anyOf"][0]["items"]["enum"] == list(FULL)
    assert (clear["anyOf"][0]["maxItems"], clear["anyOf"][0]["uniqueItems"]) == (len(FULL), True)
    assert all(f"`{word}`" in features["description"] for word in features["default"])
