"""Export and erasure of one tenant beside another one, on both databases."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from httpx2 import AsyncClient
from sqlalchemy import make_url, text

from shared.storage.database import DatabaseBusyError, open_engine, resolve_url
from shared.storage.export_file import ExportError
from shared.storage.transactions import open_transactions
from tests.databases import PostgresDatabase
from tests.ticket_api.conftest import KEY, NOW, Clock, client_of
from ticket_api import commands, create_app
from ticket_api.departure.erasing import _SOME, erase_tenant, overwrite_free_space
from ticket_api.departure.exporting import COMPUTED, QUERIES, export_tenant
from ticket_api.errors import ApiForbiddenError
from ticket_api.sample import filler
from ticket_api.store.search import postgres, sqlite
from ticket_api.store.tables import metadata

TICKET: Final = {
    "requestorId": "user1", "accountId": "acc1", "categoryId": "cat1", "categoryDetailId": "catd1",
    "requestChannelId": "ch1", "personInChargeId": "user1", "statusId": "stat1", "description": "late",
}  # fmt: skip
MARK: Final = "Zanzibarquagga"
"""A word that only the tenant that leaves has written."""


@dataclass
class Two:
    """A database with the tenants `leaving` and `staying`."""

    url: str
    """Of the owner."""
    serving_url: str
    keys: dict[str, str]

    async def rows(self, tenant: str) -> dict[str, list[Any]]:
        """Return every row of every table that belongs to the tenant."""
        async with open_engine(resolve_url(self.url)) as engine, engine.connect() as connection:
            is_postgres = engine.dialect.name == "postgresql"
            if is_postgres:
                await connection.execute(text("SELECT set_config('app.tenant_id', :t, true)"), {"t": tenant})
            tables = {name: "tenant_id" for name, table in metadata.tables.items() if "tenant_id" in table.c}
            tables |= {
                "tenants": "id",
                (postgres.ticket_pieces if is_postgres else sqlite.piece_tenants).name: "tenant_id",
            }
            found = {}
            for name, column in tables.items():
                query = text(f"SELECT * FROM {name} WHERE {column} = :t")  # noqa: S608 - our names
                found[name] = sorted(map(str, await connection.execute(query, {"t": tenant})))
            return found


def nothing(_: int) -> None:
    """Show no progress."""


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The URLs of the owner of the tables and of the role that serves."""
    if request.param == "sqlite":
        return (str(request.getfixturevalue("sqlite_url")),) * 2
    database = request.getfixturevalue("filled_postgres")
    return database.owner_url, database.application_url


@pytest.fixture
async def two(urls: tuple[str, str]) -> Two:
    return await two_on(*urls)


async def two_on(owner: str, serving: str) -> Two:
    two = Two(owner, serving, {})
    async with open_transactions(resolve_url(serving)) as opened:
        for tenant in ("leaving", "staying"):
            fill = filler("en", lambda: NOW)
            made = await commands.add_tenant(opened, tenant, name=None, fill=fill, now=NOW, may_administer=True)
            two.keys[tenant] = made.key
    async with client(two, "leaving") as api:
        for n in range(3):
            body = {**TICKET, "summary": f"{MARK} {n}", "description": MARK}
            await ok(api.post("/tickets", json=body, headers={"idempotency-key": f"{MARK}-{n}"}))
        change = {"updatedById": "user1", "summary": f"{MARK} changed", "comment": MARK}
        await ok(api.put("/tickets/TCK-0001", json=change))
        await ok(api.put("/tickets/master/users/user1", json={"name": f"{MARK} of the desk"}))
    return two


@asynccontextmanager
async def client(two: Two, tenant: str) -> AsyncIterator[AsyncClient]:
    app = create_app(database_url=two.serving_url, api_keys=[KEY], clock=Clock())
    async with app.router.lifespan_context(app), client_of(app, **{"x-api-key": two.keys[tenant]}) as api:
        yield api


async def ok(request: Any) -> Any:
    response = await request
    assert response.is_success, response.text
    return response.json()


async def erase(two: Two, tenant: str = "leaving") -> int:
    async with open_transactions(resolve_url(two.url)) as opened:
        return await erase_tenant(opened, tenant, now=NOW, on_progress=nothing)


def names_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


async def test_an_export_has_every_row_but_nothing_secret_or_computed(two: Two, tmp_path: Path) -> None:
    file = tmp_path / "leaving.jsonl"

    counts = await export_tenant(resolve_url(two.serving_url), "leaving", file, clock=lambda: NOW)

    first, *rows, last = lines(file)
    stored = await two.rows("leaving")
    assert first == {"export": "tickets", "organisation": "leaving", "at": NOW.isoformat(), "version": 1}
    assert last == {"end": counts}
    assert counts == {name: len(stored[name]) for name in QUERIES}
    assert {name for name, count in counts.items() if not count} <= {"response_categories"}
    assert file.stat().st_mode & 0o077 == 0
    content = file.read_text("utf-8")
    assert f"{MARK} changed" in content
    assert "digest" not in content
    assert "folded" not in content
    assert "staying" not in content
    (ticket,) = (line["row"] for line in rows if line["table"] == "tickets" and line["row"]["id"] == "TCK-0001")
    assert ticket["summary"] == f"{MARK} changed"
    assert ticket["updated_at"] == NOW.isoformat()


def test_every_table_and_column_is_exported_or_computed() -> None:
    assert metadata.tables.keys() - QUERIES.keys() == COMPUTED | {"erased_tenants"}


async def test_an_export_replaces_no_file_and_a_failed_one_leaves_none(two: Two, tmp_path: Path) -> None:
    file = tmp_path / "there.jsonl"
    file.write_text("kept")
    url = resolve_url(two.serving_url)

    with pytest.raises(ExportError, match="File exists"):
        await export_tenant(url, "leaving", file, clock=lambda: NOW)
    with pytest.raises(commands.CommandError, match="There is no tenant 'unknown'"):
        await export_tenant(url, "unknown", tmp_path / "new.jsonl", clock=lambda: NOW)
    with pytest.raises(ExportError, match="No such file or directory"):
        await export_tenant(url, "leaving", tmp_path / "no" / "new.jsonl", clock=lambda: NOW)

    assert names_in(tmp_path) >= {"there.jsonl"}
    assert not {name for name in names_in(tmp_path) if "new.jsonl" in name or "unfinished" in name}
    assert file.read_text() == "kept"


async def test_an_erased_tenant_leaves_nothing_and_the_other_one_stays_as_it_was(two: Two) -> None:
    before = await two.rows("staying")
    async with client(two, "staying") as api:
        found = await ok(api.get("/tickets?searchWords=printer&limit=200&envelope=true"))

    assert await erase(two) == 53

    assert {name for name, rows in (await two.rows("leaving")).items() if rows} == set()
    assert await two.rows("staying") == before
    async with client(two, "staying") as api:
        assert await ok(api.get("/tickets?searchWords=printer&limit=200&envelope=true")) == found
    async with client(two, "leaving") as api:
        assert (await api.get("/tickets")).status_code == 401


async def test_nothing_of_it_is_in_the_sqlite_file(sqlite_url: str) -> None:
    database = Path(str(make_url(sqlite_url).database))
    two = await two_on(sqlite_url, sqlite_url)
    assert MARK.encode() in b"".join(file.read_bytes() for file in database.parent.glob("tickets.sqlite3*"))

    await erase(two)
    assert await overwrite_free_space(database)

    content = b"".join(file.read_bytes() for file in database.parent.glob("tickets.sqlite3*")).lower()
    assert MARK.lower().encode() not in content
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        pairs = connection.execute("SELECT count(*) FROM ticket_pieces WHERE ticket_pieces MATCH 'zanz'").fetchone()
    assert pairs == (0,)


async def test_an_erased_id_is_not_given_to_another_tenant(two: Two) -> None:
    await erase(two)

    async with open_transactions(resolve_url(two.serving_url)) as opened:
        with pytest.raises(ApiForbiddenError, match="The organisation 'leaving' was erased"):
            await commands.add_tenant(opened, "leaving", name=None, fill=None, now=NOW)


async def test_the_default_tenant_is_emptied_and_stays(two: Two) -> None:
    await erase(two, "default")

    rows = await two.rows("default")
    assert {name for name, found in rows.items() if found} == {"tenants", "ticket_numbers"}
    async with client(two, "staying") as api:
        assert (await api.get("/tickets", headers={"x-api-key": KEY})).json() == []


async def test_an_erasure_that_was_stopped_goes_on(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ticket_api.departure.erasing._SOME", _SOME.limit(10))
    seen: list[int] = []

    def stop(done: int) -> None:
        seen.append(done)
        if done == 20:
            raise DatabaseBusyError

    async with open_transactions(resolve_url(two.url)) as opened:
        with pytest.raises(DatabaseBusyError):
            await erase_tenant(opened, "leaving", now=NOW, on_progress=stop)
    async with client(two, "leaving") as api:
        assert (await api.get("/tickets")).status_code == 401  # from the first moment

    assert seen == [10, 20]
    assert await erase(two) == 33
    assert {name for name, rows in (await two.rows("leaving")).items() if rows} == set()


async def test_a_request_that_comes_in_late_leaves_nothing(two: Two) -> None:
    """A key is remembered by a server for up to 30 s."""
    body = {**TICKET, "summary": "late"}
    async with client(two, "leaving") as api:
        await ok(api.get("/tickets?limit=1"))
        await erase(two)
        late = [await api.post("/tickets", json=body), await api.post("/tickets/master/users", json={"name": "late"})]

    assert all(response.is_error for response in late)
    assert {name for name, rows in (await two.rows("leaving")).items() if rows} == set()


async def test_the_role_that_serves_may_not_erase(filled_postgres: PostgresDatabase) -> None:
    two = await two_on(filled_postgres.owner_url, filled_postgres.application_url)
    before = await two.rows("leaving")
    async with open_transactions(resolve_url(two.serving_url)) as opened:
        with pytest.raises(commands.CommandError, match="use the URL of the tables' owner"):
            await erase_tenant(opened, "leaving", now=NOW, on_progress=nothing)
    assert await two.rows("leaving") == before
