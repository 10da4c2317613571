"""Changes by several clients at once: `expectedHistoryId` lets one of them win, `addEffortHours` counts them all."""

import asyncio
from typing import Any

from httpx2 import AsyncClient, Response

from tests.ticket_api.conftest import new_ticket

TICKET = "/tickets/TCK-0001"


async def change(api: AsyncClient, path: str = TICKET, *, key: str | None = None, **fields: Any) -> Response:
    headers = {} if key is None else {"idempotency-key": key}
    return await api.put(path, json={"updatedById": "user2", **fields}, headers=headers)


async def read(api: AsyncClient, path: str = TICKET) -> Any:
    response = await api.get(path)
    assert response.status_code == 200, response.text
    return response.json()


async def newest_of(api: AsyncClient, path: str = TICKET) -> int:
    return max((entry["id"] for entry in await read(api, f"{path}/history")), default=0)


async def create(api: AsyncClient, **more: Any) -> str:
    response = await api.post("/tickets", json=new_ticket(**more))
    return f"/tickets/{response.json()['id']}"


async def test_a_change_of_what_was_read_is_done(api: AsyncClient) -> None:
    path = await create(api)

    assert (await change(api, path, expectedHistoryId=0, summary="One")).status_code == 200
    assert (await change(api, path, expectedHistoryId=await newest_of(api, path), summary="Two")).status_code == 200

    assert (await read(api, path))["summary"] == "Two"


async def test_a_change_of_something_else_is_refused_and_changes_nothing(api: AsyncClient) -> None:
    await api.post(f"{TICKET}/history", json={"userId": "user1", "comment": "Meanwhile"})
    before, history = await read(api), await read(api, f"{TICKET}/history")

    newest = history[0]["id"]

    for expected in (0, 1, newest + 1, 2**31 - 1):
        response = await change(api, expectedHistoryId=expected, summary="Too late", comment="Too late")
        assert response.status_code == 409
        refusal = response.json()
        assert refusal.pop("error").startswith("The ticket was changed or commented on meanwhile")
        assert refusal == {"kind": "changed_meanwhile", "field": "expectedHistoryId", "newestHistoryId": newest}

    assert (await read(api), await read(api, f"{TICKET}/history")) == (before, history)


async def test_of_many_changes_of_the_same_state_one_is_done(api: AsyncClient) -> None:
    newest = await newest_of(api)

    responses = await asyncio.gather(*(change(api, expectedHistoryId=newest, summary=f"By {n}") for n in range(8)))

    assert sorted(response.status_code for response in responses) == [200] + 7 * [409]
    (winner,) = [n for n, response in enumerate(responses) if response.status_code == 200]
    assert (await read(api))["summary"] == f"By {winner}"


async def test_a_refused_change_does_not_use_up_its_key(api: AsyncClient) -> None:
    assert (await change(api, key="k", expectedHistoryId=0, summary="Mine")).status_code == 409
    newest = await newest_of(api)

    done = await change(api, key="k", expectedHistoryId=newest, summary="Mine")
    again = await change(api, key="k", expectedHistoryId=newest, summary="Mine")

    assert (done.status_code, again.status_code, again.text) == (200, 200, done.text)


async def test_what_is_no_id_of_an_entry_is_refused(sqlite_api: AsyncClient) -> None:
    for expected in (-1, 2**31, 1.5, True, "1", [1], 1e300):
        response = await change(sqlite_api, expectedHistoryId=expected, summary="New")
        refusal = "expectedHistoryId must be a whole number from 0 to 2147483647"
        assert (response.status_code, response.json()) == (400, {"error": refusal, "field": "expectedHistoryId"})


async def test_hours_that_many_add_at_once_all_count(api: AsyncClient) -> None:
    path = await create(api, actualEffortHours=0.3)

    responses = await asyncio.gather(*(change(api, path, addEffortHours=0.1) for _ in range(10)))

    assert {response.status_code for response in responses} == {200}
    assert (await read(api, path))["actualEffortHours"] == "1.3"
    effort = [entry["changedFields"] for entry in await read(api, f"{path}/history")]
    assert [(field["oldValue"], field["newValue"]) for (field,) in effort[:2]] == [("1.2", "1.3"), ("1.1", "1.2")]
    assert {field["fieldName"] for (field,) in effort} == {"actualEffortHours"}


async def test_hours_are_added_to_none_and_once_per_key(api: AsyncClient) -> None:
    path = await create(api)

    for _ in range(2):
        assert (await change(api, path, key="k", addEffortHours="1.5")).status_code == 200

    assert (await read(api, path))["actualEffortHours"] == "1.5"


async def test_hours_that_cannot_be_added_are_refused(sqlite_api: AsyncClient) -> None:
    path = await create(sqlite_api, actualEffortHours=0.1)
    range_ = "addEffortHours must be hours from 0.1 to 9999.9 with at most one decimal"
    both = "addEffortHours adds to actualEffortHours, which the request also sets: send one of the two"
    too_many = "addEffortHours: 0.1 and 9999.9 hours are more than 9999.9, the most that a ticket can have"
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        *(({"addEffortHours": hours}, range_) for hours in (0, -1, 0.15, True, "x")),
        ({"addEffortHours": 9999.9}, too_many),
        ({"addEffortHours": 1, "actualEffortHours": 2}, both),
        ({"addEffortHours": 1, "clear": ["actualEffortHours"]}, both),
    )
    for fields, refusal in refused:
        response = await change(sqlite_api, path, **fields)
        assert (response.status_code, response.json()) == (400, {"error": refusal, "field": "addEffortHours"})
    assert (await read(sqlite_api, path))["actualEffortHours"] == "0.1"
