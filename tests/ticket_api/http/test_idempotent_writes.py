"""A write that is repeated with its `Idempotency-Key` is done once, over both databases, despite other writers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncTransaction

from shared.storage import database
from shared.storage.database import open_engine, resolve_url
from shared.storage.transactions import open_transactions
from tests.kills import kills
from tests.ticket_api.conftest import NOW, Clock, client_of, new_ticket, running
from ticket_api import create_app
from ticket_api.store import idempotency
from ticket_api.store.connection import TenantConnection
from ticket_api.store.tables import idempotency_keys
from ticket_api.tenancy import DEFAULT, TenantDatabase


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[TenantDatabase]:
    """The same database through another pool, as of another instance."""
    async with open_transactions(resolve_url(database_url)) as transactions:
        yield TenantDatabase(transactions, clock=Clock())


async def create(api: AsyncClient, key: str, **more: Any) -> Response:
    return await api.post("/tickets", json=new_ticket(**more), headers={"Idempotency-Key": key})


async def count(api: AsyncClient) -> int:
    return len((await api.get("/tickets?limit=200&showCompleted=true")).json())


@kills("ticket_api/http/idempotent_writes.py", "if known is not None:", "if False:")
async def test_the_same_request_gets_the_first_answer_again(api: AsyncClient) -> None:
    first = await create(api, "key-1")
    again = await create(api, "key-1")

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["content-type"] == first.headers["content-type"]
    assert await count(api) == 51


async def test_every_write_honours_the_key(api: AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    change = {"updatedById": "user1", "summary": "Changed"}
    comment = {"userId": "user1", "comment": "Once"}
    before = len((await api.get("/tickets/TCK-0001/history")).json())

    changed = [await api.put("/tickets/TCK-0001", json=change, headers=headers) for _ in range(2)]
    headers = {"Idempotency-Key": "l"}
    added = [await api.post("/tickets/TCK-0001/history", json=comment, headers=headers) for _ in range(2)]

    assert [response.status_code for response in (*changed, *added)] == [200, 200, 201, 201]
    assert added[0].content == added[1].content
    assert len((await api.get("/tickets/TCK-0001/history")).json()) == before + 2


async def test_order_of_fields_and_null_do_not_make_another_request(api: AsyncClient) -> None:
    body = new_ticket()
    first = await api.post("/tickets", json=body, headers={"Idempotency-Key": "k"})

    again = await api.post(
        "/tickets", json={**dict(reversed(body.items())), "remarks": None}, headers={"Idempotency-Key": " k "}
    )

    assert again.content == first.content


@kills("ticket_api/store/idempotency.py", "if known.fingerprint != fingerprint:", "if False:")
async def test_another_body_path_or_method_under_the_key_is_a_conflict(api: AsyncClient) -> None:
    await create(api, "k")
    headers = {"Idempotency-Key": "k"}

    others = [
        await create(api, "k", summary="Another"),
        await api.post("/tickets/TCK-0001/history", json={"userId": "user1", "comment": "x"}, headers=headers),
        await api.put("/tickets/TCK-0001", json={"updatedById": "user1", "comment": "x"}, headers=headers),
    ]

    assert [(response.status_code, response.json()["field"]) for response in others] == [(409, "Idempotency-Key")] * 3
    assert await count(api) == 51


async def test_the_same_comment_on_another_ticket_is_another_request(api: AsyncClient) -> None:
    body, headers = {"userId": "user1", "comment": "x"}, {"Idempotency-Key": "k"}
    await api.post("/tickets/TCK-0001/history", json=body, headers=headers)

    assert (await api.post("/tickets/TCK-0002/history", json=body, headers=headers)).status_code == 409


@pytest.mark.parametrize("key", ["", "with space", "x" * 201, "schlüssel", "tab\tbed"])
async def test_a_key_that_is_no_key_is_refused(sqlite_api: AsyncClient, key: str) -> None:
    response = await sqlite_api.post("/tickets", json=new_ticket(), headers={b"idempotency-key": key.encode()})

    assert (response.status_code, response.json()["field"]) == (400, "Idempotency-Key")
    assert await count(sqlite_api) == 50


@kills("shared/storage/transactions.py", '"BEGIN IMMEDIATE" if writes else "BEGIN"', "None")
async def test_a_refused_request_does_not_use_its_key_up(api: AsyncClient) -> None:
    assert (await create(api, "k", statusId="nonsense")).status_code == 400
    assert (await create(api, "k", statusId="stat1")).status_code == 201


async def test_after_a_day_the_key_is_free_again(api: AsyncClient, clock: Clock) -> None:
    first = await create(api, "k")
    clock.now = NOW + timedelta(hours=24) - timedelta(seconds=1)
    assert (await create(api, "k")).json() == first.json()

    clock.now = NOW + timedelta(hours=24)
    assert (await create(api, "k", summary="Another")).json()["id"] == "TCK-0052"


async def test_expired_keys_are_swept_a_bounded_number_at_a_time(api: AsyncClient, store: TenantDatabase) -> None:
    async def left() -> int:
        return int(await store.read(DEFAULT, lambda db: db.scalar(db.select(idempotency_keys, func.count()))))

    old = {"fingerprint": "f", "status": 201, "answer": "{}", "created_at": NOW - timedelta(hours=25)}
    rows = [{"key": f"old-{n}", **old} for n in range(idempotency.SWEPT_AT_ONCE + 50)]
    await store.write(DEFAULT, lambda db: db.execute(db.insert(idempotency_keys), rows).close())

    await create(api, "new-1")
    assert await left() == 51
    await create(api, "new-2")
    assert await left() == 2


@kills("ticket_api/store/idempotency.py", "if db.add_if_new(keys, ", "if [True] or db.add_if_new(keys, ")
async def test_many_at_once_on_two_instances_are_done_once(database_url: str, clock: Clock) -> None:
    async with running(database_url, clock) as one, running(database_url, clock) as other:
        responses = await asyncio.gather(*(create(api, "k") for _ in range(6) for api in (one, other)))

        assert {(response.status_code, response.json()["id"]) for response in responses} == {(201, "TCK-0051")}
        assert await count(one) == 51


async def test_many_different_ones_at_once_all_get_numbers_of_their_own(database_url: str, clock: Clock) -> None:
    async with running(database_url, clock) as one, running(database_url, clock) as other:
        responses = await asyncio.gather(*(create(api, f"k{n}") for n in range(6) for api in (one, other)))
        again = await asyncio.gather(*(create(api, f"k{n}") for n in range(6) for api in (one, other)))

        assert [response.status_code for response in responses] == [201] * 12
        assert [response.content for response in again] == [responses[n - n % 2].content for n in range(12)]
        ids = {response.json()["id"] for response in responses}
        assert ids == {f"TCK-{51 + n:04}" for n in range(6)}


@asynccontextmanager
async def claimed(database_url: str) -> AsyncIterator[AsyncTransaction]:
    """Yield the open transaction of another request that has claimed the key "k"."""
    async with open_engine(resolve_url(database_url)) as engine, engine.connect() as connection:
        await connection.execution_options(sqlite_begin="BEGIN IMMEDIATE")
        async with connection.begin() as transaction:
            db = await connection.run_sync(TenantConnection.open, DEFAULT)
            assert await connection.run_sync(lambda _: idempotency.claim(db, "k", "f", NOW)) is None
            yield transaction


async def test_the_second_does_the_work_when_the_first_gives_up(api: AsyncClient, database_url: str) -> None:
    async with claimed(database_url) as first:
        second = asyncio.create_task(create(api, "k"))
        await asyncio.wait([second], timeout=0.3)  # longer than it takes if it does not wait
        assert not second.done()
        await first.rollback()

    assert (await second).status_code == 201


async def test_waiting_too_long_is_a_503_and_changes_nothing(
    database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.2)
    monkeypatch.setitem(database.POSTGRESQL_LIMITS, "lock_timeout", "200")
    async with running(database_url, clock) as api:
        async with claimed(database_url):
            response = await create(api, "k")

        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert "try again" in response.json()["error"]
        assert await count(api) == 50


async def test_a_client_that_goes_away_leaves_no_connection_and_no_half_write(database_url: str, clock: Clock) -> None:
    app = create_app(database_url=database_url, clock=clock)
    async with app.router.lifespan_context(app), client_of(app) as api:
        for steps in range(60):
            request = asyncio.create_task(create(api, f"k{steps}"))
            for _ in range(steps):
                await asyncio.sleep(0)
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)

        transactions = app.state.tenants.transactions
        await asyncio.gather(*transactions._running, return_exceptions=True)  # writes run to their end
        assert transactions.engine.pool.checkedout() == 0
        made = await count(api) - 50
        assert (await create(api, "last")).json()["id"] == f"TCK-{51 + made:04}"
