"""`GET /tickets/changes`: what happened in all tickets, in the order of its recording, complete under any filter."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.ticket_api.conftest import NOW, Clock, new_ticket
from ticket_api.store import changes
from ticket_api.times import show_moment


async def get(api: AsyncClient, path: str = "/tickets/changes", **query: Any) -> Any:
    response = await api.get(path, params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def walk(api: AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """Return the entries of all pages."""
    found: list[dict[str, Any]] = []
    page = await get(api, **query)
    while page["nextCursor"] is not None:
        found += page["changes"]
        page = await get(api, **query, cursor=page["nextCursor"])
    return [*found, *page["changes"]]


async def whole(api: AsyncClient) -> list[dict[str, Any]]:
    """Return what the histories of all tickets say, in the same shape and order."""
    found = []
    for row in await get(api, "/tickets", showCompleted="true", limit=200):
        about = {name: row[name] for name in ("ticketId", "summary", "accountId", "accountName")}
        found += [{**entry, **about} for entry in await get(api, f"/tickets/{row['ticketId']}/history")]
    return sorted(found, key=lambda entry: int(entry["id"]))


async def test_pages_hold_every_entry_of_every_history_once(api: AsyncClient) -> None:
    everything = await whole(api)

    assert await walk(api, limit=30) == everything
    assert await walk(api, limit=200) == everything


async def test_a_filter_keeps_what_matches_and_only_that(api: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = await walk(api)
    monkeypatch.setattr(changes, "MOST_EXAMINED", 29)
    for few in (0, 1000):
        monkeypatch.setattr(changes, "MOST_TICKETS", few)
        for name, id_ in (("userId", "user3"), ("ticketId", "TCK-0003"), ("accountId", "acc2")):
            found = await walk(api, **{name: id_}, limit=5)
            assert found == [entry for entry in everything if entry[name] == id_]
            assert found


async def test_filters_together_keep_what_matches_all_of_them(api: AsyncClient) -> None:
    mine = {row["ticketId"] for row in await get(api, "/tickets", personInChargeId="user1", showCompleted="true")}
    every = await walk(api)

    found = await walk(api, personInChargeId="user1", userId="user1", since=every[20]["timestamp"])

    assert found == [
        entry for entry in every
        if entry["ticketId"] in mine and entry["userId"] == "user1" and entry["timestamp"] >= every[20]["timestamp"]
    ]  # fmt: skip
    assert await walk(api, personInChargeId="user1", accountId="unknown") == []


async def test_both_ends_of_a_range_are_included(api: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of sample entries by time is not that of their ids."""
    every = await walk(api)
    times = sorted(entry["timestamp"] for entry in every)
    since, until = times[10], times[-10]
    for examined in (7, 10_000):
        monkeypatch.setattr(changes, "MOST_EXAMINED", examined)
        for query in ({"since": since}, {"until": until}, {"since": since, "until": until}):
            low, high = query.get("since", times[0]), query.get("until", times[-1])
            assert await walk(api, **query, limit=40) == [one for one in every if low <= one["timestamp"] <= high]
    assert await walk(api, since=show_moment(NOW + timedelta(days=1))) == []


async def test_an_entry_has_what_was_written_and_the_ticket_as_it_is_now(api: AsyncClient) -> None:
    path = f"/tickets/{(await api.post('/tickets', json=new_ticket())).json()['id']}"
    change = {"updatedById": "user2", "comment": "Moved", "visibility": "public", "statusId": "stat2"}
    await api.put(path, json=change)
    await api.put(path, json={"updatedById": "user2", "accountId": "acc3", "summary": "Renamed"})

    entry, later = (await walk(api))[-2:]

    account = (await get(api, path))["accountName"]
    now = {"ticketId": path[9:], "summary": "Renamed", "accountId": "acc3", "accountName": account}
    changed = [{"fieldName": "statusId", "oldValue": "New", "newValue": "In progress"}]
    written = {"userId": "user2", "comment": "Moved", "visibility": "public", "timestamp": show_moment(NOW)}
    user = {"id": entry["id"], "userName": later["userName"]}
    assert entry == {**user, **written, **now, "changedFields": changed}


async def test_an_entry_with_an_earlier_time_is_not_missed(api: AsyncClient, clock: Clock) -> None:
    """The clock of a process may be behind that of another, and a writer may wait between its time and its turn."""
    last = (await walk(api))[-1]["id"]
    for seconds in (2, 1):
        clock.now = NOW + timedelta(seconds=seconds)
        await api.post("/tickets/TCK-0001/history", json={"userId": "user1", "comment": f"After {seconds} s"})
        (entry,) = await walk(api, cursor=last)
        assert entry["comment"] == f"After {seconds} s"
        last = entry["id"]


async def test_a_reader_among_writers_misses_nothing_and_reads_nothing_twice(api: AsyncClient) -> None:
    start = (await walk(api))[-1]["id"]
    read: list[dict[str, Any]] = []

    async def write(writer: int) -> list[int]:
        path, body = f"/tickets/TCK-000{writer}/history", {"userId": f"user{writer}", "comment": "Hello"}
        return [(await api.post(path, json=body)).json()["id"] for _ in range(10)]

    async def follow(writers: "asyncio.Future[list[list[int]]]") -> None:
        ended = False
        while not ended:
            ended = writers.done()
            read.extend(await walk(api, cursor=read[-1]["id"] if read else start))

    writers = asyncio.gather(*(write(writer) for writer in range(1, 5)))
    await asyncio.wait_for(follow(writers), 30)

    assert [entry["id"] for entry in read] == sorted(id_ for ids in writers.result() for id_ in ids)


async def test_a_page_examines_a_limited_number_of_entries(api: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_EXAMINED", 5)
    every = await walk(api)

    page = await get(api, since=max(entry["timestamp"] for entry in every))
    assert len(page["changes"]) <= 5

    monkeypatch.setattr(changes, "MOST_TICKETS", 0)
    page = await get(api, accountId="unknown")
    assert page == {"changes": [], "nextCursor": None}  # no ticket at all is few
    page = await get(api, ticketId="TCK-0050")
    assert page["nextCursor"] == str(every[4]["id"])


async def test_what_cannot_be_asked_is_refused(sqlite_api: AsyncClient) -> None:
    for query, refusal in (
        ("since=2026-11-20", "since must be a moment with its offset"),
        ("since=2026-11-20T00:00Z&until=2026-11-19T00:00Z", "until is before since"),
        ("limit=0", "limit must be at least 1"), ("limit=201", "limit must be at most 200"),
        ("cursor=rd:/TCK-1", "cursor must be a whole number"), ("cursor=-1", "cursor must be at least 0"),
        ("offset=1", "offset: there is no such field or parameter"),
    ):  # fmt: skip
        response = await sqlite_api.get(f"/tickets/changes?{query}")
        assert response.status_code == 400
        assert response.json()["error"].startswith(refusal)
