"""Clients that disconnect: their reads stop at once, their writes are completed. In process and over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import product
from typing import Any, Final

import pytest
import uvicorn
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import Connection

from shared.embedded.in_process import InProcessTransport
from shared.storage import database, transactions
from tests.slow_work import Gate, Slow, idle
from tests.ticket_api.conftest import Clock, new_ticket
from ticket_api import create_app, writes
from ticket_api.store import history, lists, master, tickets
from ticket_api.store.connection import TenantConnection

READING: Final = {
    "/tickets": (lists, "read_page"),
    "/tickets/TCK-0001": (tickets, "read"),
    "/tickets/TCK-0001/history": (history, "of_ticket"),
    "/tickets/master/users": (master, "list_users"),
    "/tickets/master/accounts": (master, "list_choices"),
}


STATEMENT_S: Final = 60
LOADED_MACHINE_S: Final = 20.0


@pytest.fixture(autouse=True)
def _long_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let statements run for long, so that a slow machine too shows which were stopped."""
    monkeypatch.setattr(transactions, "SQLITE_LIMIT_S", STATEMENT_S)
    for limit in ("statement_timeout", "lock_timeout"):
        monkeypatch.setitem(database.POSTGRESQL_LIMITS, limit, f"{STATEMENT_S}s")


@asynccontextmanager
async def reaching(app: FastAPI, wire: str) -> AsyncIterator[AsyncClient]:
    """Yield a client of `app`, which is already running."""
    if wire == "in process":
        async with AsyncClient(transport=InProcessTransport(app), base_url="http://api") as client:
            yield client
        return
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with AsyncClient(base_url=address, timeout=LOADED_MACHINE_S) as client:
            yield client
        server.should_exit = True
        await serving


async def give_up(request: Any, begun: asyncio.Event) -> None:
    """Send a request, and disconnect once it has begun in the database."""
    asking = asyncio.create_task(request)
    waiting = asyncio.create_task(begun.wait())
    await asyncio.wait([asking, waiting], return_when=asyncio.FIRST_COMPLETED)
    assert not asking.done()
    asking.cancel()
    await asyncio.wait([asking])


@pytest.mark.parametrize(("wire", "path"), [*product(["in process"], READING), ("over HTTP", "/tickets")])
async def test_what_is_read_for_a_client_that_has_gone_stops(
    wire: str, path: str, database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(database_url=database_url, clock=clock)
    slow = Slow()
    async with app.router.lifespan_context(app), reaching(app, wire) as api:
        assert (await api.get(path)).status_code == 200
        with monkeypatch.context() as patch:
            patch.setattr(*READING[path], lambda db, *_: slow(db.connection))
            await give_up(api.get(path), slow.begun)
            await stopped(app)

        assert (await api.get(path)).status_code == 200


@pytest.mark.parametrize("wire", ["in process", "over HTTP"])
async def test_what_a_client_that_has_gone_writes_is_written(
    wire: str, database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(database_url=database_url, clock=clock)
    gate = Gate(database_url)
    await gate.close()
    create = writes.create

    def behind_the_gate(db: TenantConnection, *arguments: Any) -> str:
        work: Callable[[Connection], str] = lambda _: create(db, *arguments)  # noqa: E731 - typed
        return gate.then(work)(db.connection)

    async with app.router.lifespan_context(app), reaching(app, wire) as api:
        assert (await api.get("/tickets")).status_code == 200
        monkeypatch.setattr(writes, "create", behind_the_gate)
        await give_up(api.post("/tickets", json=new_ticket(summary="Kept")), gate.begun)
        await gate.open()
        await stopped(app)

        assert [row["summary"] for row in (await api.get("/tickets?limit=1")).json()] == ["Kept"]


async def stopped(app: FastAPI) -> None:
    """Wait until no transaction runs; this must happen long before its statements reach their limit."""
    pool = app.state.tenants.transactions
    await idle(pool, within_s=LOADED_MACHINE_S)
    assert pool.engine.pool.checkedout() == 0
