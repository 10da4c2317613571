"""Comments are internal unless they are sent as public, and statuses show whether they count as completed."""

from typing import Any

from httpx2 import AsyncClient

from tests.ticket_api.conftest import new_ticket


async def write(api: AsyncClient, path: str, how: str, **fields: Any) -> Any:
    if how == "POST":
        return await api.post(f"{path}/history", json={"userId": "user1", **fields})
    return await api.put(path, json={"updatedById": "user1", **fields})


async def test_a_comment_is_internal_unless_it_is_sent_as_public(api: AsyncClient) -> None:
    path = f"/tickets/{(await api.post('/tickets', json=new_ticket())).json()['id']}"

    for how in ("POST", "PUT"):
        for visibility in ({}, {"visibility": None}, {"visibility": "internal"}, {"visibility": "public"}):
            response = await write(api, path, how, comment="Hello", **visibility)
            assert response.status_code in {200, 201}, response.text
    await write(api, path, "PUT", summary="Changed without a comment")

    entries = (await api.get(f"{path}/history")).json()
    assert [entry["visibility"] for entry in entries] == ["internal", *["public", *["internal"] * 3] * 2]


async def test_another_visibility_is_refused(sqlite_api: AsyncClient) -> None:
    for how in ("POST", "PUT"):
        response = await write(sqlite_api, "/tickets/TCK-0001", how, comment="Hello", visibility="secret")
        allowed = ["internal", "public"]
        refusal = {"error": "visibility must be one of internal, public", "field": "visibility", "allowed": allowed}
        assert (response.status_code, response.json()) == (400, refusal)


async def test_a_visibility_without_a_comment_is_refused(sqlite_api: AsyncClient) -> None:
    response = await write(sqlite_api, "/tickets/TCK-0001", "PUT", summary="Changed", visibility="public")

    assert (response.status_code, response.json()["error"]) == (
        400, "visibility is that of a comment: send a comment too, or leave it out",
    )  # fmt: skip


async def test_each_status_shows_whether_it_counts_as_completed(api: AsyncClient) -> None:
    statuses = (await api.get("/tickets/master/statuses")).json()

    assert {status["id"]: status["completed"] for status in statuses} == {
        "stat1": False, "stat2": False, "stat3": False, "stat4": True,
    }  # fmt: skip
