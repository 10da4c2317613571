"""A ticket's history by page and by date; without parameters it is whole, as in the existing API."""

from datetime import timedelta
from typing import Any, Final

import pytest
from httpx2 import AsyncClient

from tests.ticket_api.conftest import NOW, Clock, new_ticket
from ticket_api.http.models import queries
from ticket_api.times import show_moment

ENTRIES: Final = 12


@pytest.fixture
async def path(api: AsyncClient, clock: Clock) -> str:
    """A ticket with a comment each second; two have the same time, and one clock is behind."""
    ticket = f"/tickets/{(await api.post('/tickets', json=new_ticket())).json()['id']}"
    for number in range(ENTRIES):
        clock.now = NOW + timedelta(seconds={6: 5, 9: 7}.get(number, number))
        body = {"userId": "user1", "comment": f"Comment {number}"}
        assert (await api.post(f"{ticket}/history", json=body)).status_code == 201
    return f"{ticket}/history"


async def get(api: AsyncClient, path: str, **query: Any) -> Any:
    response = await api.get(path, params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def test_pages_hold_the_whole_history_newest_first(
    api: AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await get(api, path)
    assert [entry["comment"] for entry in whole] == [
        entry["comment"] for entry in sorted(whole, key=lambda one: (one["timestamp"], one["id"]), reverse=True)
    ]
    assert len(whole) == ENTRIES

    page = await get(api, path, envelope="true", limit=2)
    found, pages = page["entries"], 1
    while page["nextCursor"] is not None:
        page = await get(api, path, envelope="true", limit=2, before=page["nextCursor"])
        found, pages = found + page["entries"], pages + 1
        assert page["total"] == ENTRIES

    assert (found, pages) == (whole, 6)
    assert (await get(api, path, envelope="true", limit=ENTRIES))["nextCursor"] is None
    assert await get(api, path, limit=7) == whole[:7]
    assert await get(api, path, before=whole[6]["id"]) == whole[7:]
    monkeypatch.setattr(queries, "ENTRIES_A_PAGE", 10)
    first = await get(api, path, envelope="true")
    assert first == {"entries": whole[:10], "total": ENTRIES, "nextCursor": str(whole[9]["id"])}


async def test_new_entries_do_not_move_the_pages_that_follow(api: AsyncClient, path: str) -> None:
    whole = await get(api, path)
    page = await get(api, path, envelope="true", limit=5)

    await api.post(path, json={"userId": "user1", "comment": "Meanwhile"})

    page = await get(api, path, envelope="true", limit=5, before=page["nextCursor"])
    assert page["entries"] == whole[5:10]


async def test_both_ends_of_a_range_are_included(api: AsyncClient, path: str) -> None:
    whole = await get(api, path)
    since, until = (show_moment(NOW + timedelta(seconds=second)) for second in (2, 5))

    page = await get(api, path, envelope="true", since=since, until=until, limit=3)

    assert page["total"] == 5
    assert page["entries"] == [one for one in whole if since <= one["timestamp"] <= until][:3]
    assert [one["comment"] for one in await get(api, path, since=until, until=until)] == ["Comment 6", "Comment 5"]
    assert await get(api, path, until=show_moment(NOW - timedelta(days=1)), envelope="true") == {
        "entries": [], "total": 0, "nextCursor": None,
    }  # fmt: skip


async def test_the_place_is_that_of_an_entry_of_the_same_ticket(sqlite_api: AsyncClient) -> None:
    (foreign, *_) = await get(sqlite_api, "/tickets/TCK-0001/history")

    for entry in (foreign["id"], 1_000_000):
        response = await sqlite_api.get("/tickets/TCK-0002/history", params={"before": entry})
        assert (response.status_code, response.json()) == (
            400, {"error": f"before: the ticket has no entry {entry}", "field": "before"},
        )  # fmt: skip


async def test_what_cannot_be_asked_is_refused(sqlite_api: AsyncClient) -> None:
    for query in ("limit=0", "limit=201", "before=0", "before=x", "since=2026-11-20", "cursor=1", "envelope=1",
                  "since=2026-11-20T00:00Z&until=2026-11-19T00:00Z"):  # fmt: skip
        response = await sqlite_api.get(f"/tickets/TCK-0001/history?{query}")
        assert response.status_code == 400, query
        assert response.json()["field"]


async def test_the_history_of_an_unknown_ticket_is_not_found(sqlite_api: AsyncClient) -> None:
    response = await sqlite_api.get("/tickets/TCK-9999/history?envelope=true")

    assert (response.status_code, response.json()) == (404, {"error": "Ticket not found"})
