"""Keys of tenants: shown once, found by their digest, revoked within half a minute, never stored or logged."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest
from sqlalchemy import RowMapping

from shared.storage.database import resolve_url
from shared.storage.transactions import Transactions, open_transactions
from tests.databases import PostgresDatabase
from tests.kills import kills
from tests.ticket_api.conftest import KEY, NOW, Clock, client_of
from ticket_api import commands, create_app, keys
from ticket_api.__main__ import main
from ticket_api.keys import CACHED_S, MOST_CACHED, OWN, KeyRing, digest_of, new_key
from ticket_api.sample import why_unused
from ticket_api.store import tenants
from ticket_api.tenancy import DEFAULT

FORM: Final = re.compile(r"tapi_[A-Za-z0-9_-]{43}")


@pytest.fixture
async def transactions(database_url: str) -> AsyncIterator[Transactions]:
    """Each database as an operator opens it, with the rights of the serving role."""
    async with open_transactions(resolve_url(database_url)) as opened:
        yield opened


@kills("ticket_api/store/tenants.py", "digest, api_keys.c.revoked_at.is_(None)", "digest")
async def test_a_key_in_the_database_stands_for_its_tenant_until_it_is_revoked(
    transactions: Transactions, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(keys, "monotonic", lambda: now)
    first = await commands.add_tenant(transactions, "acme", name="Acme", fill=None, now=NOW)
    app = create_app(database_url=database_url, api_keys=[KEY], clock=Clock())
    async with app.router.lifespan_context(app), client_of(app) as api:

        async def responses(key: str) -> int:
            response = await api.get("/tickets?limit=200", headers={"x-api-key": key})
            return response.status_code if response.status_code != 200 else len(response.json())

        assert [await responses(first.key), await responses(KEY) > 0, await responses(new_key())] == [0, True, 401]

        second = await commands.add_key(transactions, "acme", now=NOW)
        assert [await responses(first.key), await responses(second.key)] == [
            0,
            0,
        ]  # rotation: both are valid for a while
        assert await commands.owner_of_key(transactions, first.id) == "acme"
        await commands.revoke_key(transactions, "acme", first.id, now=NOW)
        now = CACHED_S
        assert [await responses(first.key), await responses(second.key)] == [401, 0]

    assert CACHED_S <= 30
    assert KEY not in repr(first)
    assert first.key not in repr(first)


@kills("ticket_api/commands.py", "digest_of(made.key), now,", "made.key, now,")
async def test_only_the_digest_of_a_key_is_stored_and_a_revoked_one_stays_so(transactions: Transactions) -> None:
    made = await commands.add_tenant(transactions, "acme", name=None, fill=None, now=NOW)
    assert FORM.fullmatch(made.key)
    for minutes in (1, 2):
        await commands.revoke_key(transactions, "acme", made.id, now=NOW + timedelta(minutes=minutes))

    ((_, (row,)),) = [one for one in await commands.list_tenants(transactions) if one[0]["id"] == "acme"]
    assert row["revoked_at"] == NOW + timedelta(minutes=1)
    assert row["digest"] == digest_of(made.key)
    assert made.key not in str(row)


@kills("ticket_api/keys.py", "if not _FORM.fullmatch(key):", "if False:")
async def test_a_key_of_another_form_costs_no_look_into_the_database() -> None:
    def forbidden() -> Transactions:
        raise AssertionError("nothing to look up")

    ring = KeyRing([KEY], forbidden)

    assert [await ring.caller_of(key) for key in (KEY, KEY[:-1], "tapi_", f"{new_key()}x", "schlüssel")] == [
        OWN, None, None, None, None,
    ]  # fmt: skip


async def test_keys_are_remembered_for_a_while_and_a_bounded_number_of_them(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def of_digest(_: object, digest: str) -> dict[str, Any] | None:
        asked.append(digest)
        return {"tenant_id": "acme", "id": "k", "may_administer": False} if digest in valid else None

    async with open_transactions(resolve_url(sqlite_url)) as opened:
        monkeypatch.setattr(tenants, "of_digest", of_digest)
        monkeypatch.setattr(keys, "monotonic", lambda: 0.0)
        ring = KeyRing([KEY], lambda: opened)
        known = [new_key() for _ in range(MOST_CACHED + 1)]
        valid = {digest_of(key) for key in known}
        strangers = [new_key() for _ in range(3)]
        for key in (*known, *strangers, *strangers, known[-1]):
            await ring.caller_of(key)

    assert len(asked) == MOST_CACHED + 1 + 6
    assert len(ring._cached) == MOST_CACHED


async def test_a_database_that_is_away_is_a_503_and_lets_no_one_in(
    filled_postgres: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(database_url=filled_postgres.application_url, api_keys=[KEY])
    async with app.router.lifespan_context(app), client_of(app) as api:
        gone = resolve_url("postgresql://user@127.0.0.1:9/none")
        async with open_transactions(gone) as app.state.tenants.transactions:
            response = await api.get("/tickets", headers={"x-api-key": new_key()})

    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


async def test_a_new_tenant_is_made_once_by_whoever_comes_first_and_begins_empty(database_url: str) -> None:
    apps = [create_app(database_url=database_url, tenant_of={"k": "acme"}.get, clock=Clock()) for _ in range(2)]
    async with (
        apps[0].router.lifespan_context(apps[0]), apps[1].router.lifespan_context(apps[1]),
        client_of(apps[0], **{"x-api-key": "k"}) as one, client_of(apps[1], **{"x-api-key": "k"}) as two,
    ):  # fmt: skip
        responses = await asyncio.gather(
            *(api.get("/tickets?limit=200&showCompleted=true") for _ in range(3) for api in (one, two))
        )
        lists = [await two.get(f"/tickets/master/{name}") for name in ("users", "accounts", "categories", "statuses")]
    async with apps[1].router.lifespan_context(apps[1]):
        default = await apps[1].state.tenants.read(DEFAULT, partial(why_unused, "en"))

    assert {(response.status_code, len(response.json())) for response in responses} == {(200, 0)}
    assert [made.json() for made in lists] == [[]] * 4
    assert default is None


def test_a_key_of_its_own_and_a_program_that_knows_the_keys_exclude_each_other() -> None:
    no_principal: dict[str, str] = {}

    with pytest.raises(ValueError, match="not both"):
        create_app(database_url="sqlite:///never-opened.sqlite3", api_keys=[KEY], tenant_of=no_principal.get)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Run `python -m ticket_api …` in this process over the database given first; return exit code, stdout, stderr."""
    monkeypatch.setattr("ticket_api.__main__.configure_logging", lambda **_: None)  # it would use this test's streams

    def command(database_url: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("MCP_DATABASE_URL", database_url)
        monkeypatch.setattr(sys, "argv", ["ticket_api", *arguments])
        code = main()
        received = capfd.readouterr()
        return code, received.out, received.err

    return command


def test_an_operator_adds_lists_and_revokes_and_a_key_is_shown_once(run: Any, database_url: str) -> None:
    code, key, said = run(database_url, "tenant", "add", "acme", "--name", "Acme Inc.", "--sample", "ja")
    assert (code, bool(FORM.fullmatch(key.strip())), key.strip() in said) == (0, True, False)
    code, second, _ = run(database_url, "tenant", "new-key", "acme")
    assert (code, second == key) == (0, False)

    code, table, _ = run(database_url, "tenant", "list")
    assert code == 0
    assert "acme  Acme Inc.  created " in table
    assert "default" in table
    assert not FORM.search(table)
    ids = re.findall(r"key ([0-9a-f]{8}) .* valid", table)
    assert len(ids) == 2

    assert run(database_url, "tenant", "revoke-key", ids[0])[0] == 2  # no terminal to ask on
    code, _, said = run(database_url, "tenant", "revoke-key", ids[0], "--yes")
    assert (code, "30 s" in said) == (0, True)
    assert re.findall(r"key ([0-9a-f]{8}) .* revoked ", run(database_url, "tenant", "list")[1]) == [ids[0]]

    async def found() -> list[RowMapping | None]:
        async with open_transactions(resolve_url(database_url)) as opened:
            return await opened.read(
                lambda connection: [tenants.of_digest(connection, digest_of(one.strip())) for one in (key, second)]
            )

    valid = [one for one in asyncio.run(found()) if one is not None]
    assert [(one["tenant_id"], one["may_administer"]) for one in valid] == [("acme", False)]


@pytest.mark.parametrize(("arguments", "says"), [
    (("tenant", "add", "default"), "The tenant 'default' already exists"),
    (("tenant", "add", "with space"), "1 to 50 visible ASCII characters"),
    (("tenant", "add", "acme", "--name", "x" * 201), "1 to 200 characters"),
    (("tenant", "new-key", "unknown"), "There is no tenant 'unknown'"),
    (("tenant", "revoke-key", "00000000"), "There is no key '00000000'"),
    (("migrate", "--grant-to", "server"), "SQLite has no roles"),
])  # fmt: skip
def test_what_an_operator_cannot_do_is_one_sentence(
    run: Any, sqlite_url: str, arguments: tuple[str, ...], says: str
) -> None:
    code, out, said = run(sqlite_url, *arguments)

    assert (code, out, len(said.splitlines())) == (2, "", 1)
    assert says in said


async def test_while_the_services_own_key_is_rotated_the_new_and_the_old_one_are_accepted() -> None:
    def forbidden() -> Transactions:
        raise AssertionError("nothing to look up")

    ring = KeyRing(["new key", "old key"], forbidden)

    assert [await ring.caller_of(key) for key in ("new key", "old key", "other")] == [OWN, OWN, None]
