"""Clients: documents are replaced, registrations limited, and what people use is kept."""

import asyncio
from typing import Final

import pytest

from auth.store import IdentityStore
from auth.store.authorization.records import ClientRecord, ClientSource
from auth.store.errors import UnknownOAuthClientError
from shared.errors import InvalidInputError
from tests.auth.conftest import NOW, Clock
from tests.auth.store.authorization.conftest import CLAUDE, Mika

METADATA: Final = {"client_name": "Claude", "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"]}


async def test_a_document_is_kept_and_replaced(
    store: IdentityStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.store.authorization.clients.MOST", 1)
    put = await store.oauth_clients.put(CLAUDE, {"client_name": "before"})
    clock.go_on(days=7)

    again = await store.oauth_clients.put(CLAUDE, METADATA)

    assert put.fetched_at == NOW
    assert again == ClientRecord(
        id=CLAUDE,
        source=ClientSource.DOCUMENT,
        metadata=METADATA,
        created_at=NOW,
        fetched_at=clock.now,
        last_used_at=NOW,
    )
    assert await store.oauth_clients.get(CLAUDE) == again
    assert await store.oauth_clients.all() == [again]


async def test_a_document_that_two_instances_fetch_at_once_is_one_client(
    store: IdentityStore, other: IdentityStore
) -> None:
    await asyncio.gather(*(one.oauth_clients.put(CLAUDE, METADATA) for one in (store, other) * 4))

    assert len(await store.oauth_clients.all()) == 1


async def test_each_registration_is_a_client_of_its_own(sqlite_store: IdentityStore) -> None:
    one, two = [await sqlite_store.oauth_clients.register(METADATA) for _ in range(2)]

    assert one.id != two.id
    assert one.id.startswith("cli_")
    assert (one.source, one.metadata, one.fetched_at) == (ClientSource.REGISTERED, METADATA, None)
    assert [await sqlite_store.oauth_clients.get(each.id) for each in (one, two)] == [one, two]


async def test_an_id_that_cannot_be_stored_is_an_unknown_client(store: IdentityStore) -> None:
    for client_id in ("", "cli_", "\0", "https://a.example/\ud800", f"https://a.example/{'x' * 500}"):
        assert await store.oauth_clients.get(client_id) is None, client_id[:30]
    for client_id in ("https://a.example/\0", "https://a.example/\ud800", f"https://a.example/{'x' * 500}"):
        with pytest.raises(InvalidInputError):
            await store.oauth_clients.put(client_id, {})


async def test_a_client_that_nobody_uses_is_forgotten(sqlite_mika: Mika, clock: Clock) -> None:
    of = sqlite_mika.store.oauth_clients
    for number in range(3):
        await of.put(f"https://c.example/{number}", METADATA)
    begun = await sqlite_mika.sign_in(client_id="https://c.example/0")
    clock.go_on(days=45)
    await sqlite_mika.refresh(begun.refresh_token, client_id="https://c.example/0")
    clock.go_on(days=45)

    await of.register(METADATA)
    assert len(await of.all()) == 4, "documents and registrations are limited separately"
    await of.put("https://c.example/1", METADATA)

    assert {each.id for each in await of.all()} >= {"https://c.example/0", "https://c.example/1"}
    assert await of.get("https://c.example/2") is None


async def test_a_flood_of_registrations_displaces_what_nobody_signed_in_with(
    mika: Mika, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.store.authorization.clients.MOST", 3)
    of = mika.store.oauth_clients
    used = await of.register(METADATA)
    await of.put(CLAUDE, METADATA)
    clock.go_on(seconds=1)
    await mika.sign_in(client_id=used.id)
    registered = []
    for _ in range(5):
        clock.go_on(seconds=1)
        registered.append(await of.register(METADATA))

    assert {each.id for each in await of.all()} == {CLAUDE, used.id, registered[3].id, registered[4].id}
    events = [event.action async for event in mika.store.audit.events()]
    assert not [action for action in events if "client" in action], "audit events cannot be deleted"


async def test_a_client_of_an_operator_is_kept(sqlite_store: IdentityStore, clock: Clock) -> None:
    of = sqlite_store.oauth_clients

    added = await of.add(" Desk ", ["http://127.0.0.1/callback", "cursor://anysphere.cursor-mcp/oauth/callback"])

    assert added.id.startswith("cli_")
    assert added.source is ClientSource.ADDED
    assert added.metadata == {
        "client_name": "Desk",
        "redirect_uris": ["http://127.0.0.1/callback", "cursor://anysphere.cursor-mcp/oauth/callback"],
    }
    events = [event async for event in sqlite_store.audit.events()]
    assert [(each.action, each.object, each.detail) for each in events] == [("client_added", added.id, "Desk")]
    clock.go_on(days=91)
    await of.register(METADATA)
    assert await of.get(added.id) == added
    for wrong in (
        "",
        "/callback",
        "https://a.example/#here",
        "https://a.example/a b",
        "https://a.example/é",
        "x" * 2001,
    ):
        with pytest.raises(InvalidInputError, match="is not a redirect URI"):
            await of.add("Desk", [wrong])
    with pytest.raises(InvalidInputError, match="needs a redirect URI"):
        await of.add("Desk", [])


async def test_a_use_is_noted_once_a_day(sqlite_mika: Mika, clock: Clock) -> None:
    """Many users share one row."""
    await sqlite_mika.store.oauth_clients.put(CLAUDE, METADATA)
    noted = []
    token = ""
    for hours in (1, 1, 22, 1):
        clock.go_on(hours=hours)
        token = (await sqlite_mika.refresh(token) if token else await sqlite_mika.sign_in()).refresh_token
        client = await sqlite_mika.store.oauth_clients.get(CLAUDE)
        assert client is not None
        noted.append((client.last_used_at - NOW).total_seconds() / 3600)

    assert noted == [1, 1, 1, 25]


async def test_a_removed_client_takes_its_grants_along(sqlite_mika: Mika) -> None:
    await sqlite_mika.store.oauth_clients.put(CLAUDE, METADATA)
    one, bystander = await sqlite_mika.sign_in(), await sqlite_mika.sign_in(client_id="cli_1")
    code = await sqlite_mika.code()

    assert await sqlite_mika.store.oauth_clients.remove(CLAUDE) == 1
    assert await sqlite_mika.store.grants.begin(code) is None

    assert await sqlite_mika.store.oauth_clients.get(CLAUDE) is None
    on = [await sqlite_mika.store.grants.live(each.grant.id) for each in (one, bystander)]
    assert [each is not None and each.is_on for each in on] == [False, True]
    assert await sqlite_mika.audited("client_removed") == [("", "cli", CLAUDE, "")]
    assert await sqlite_mika.store.oauth_clients.remove("cli_1") == 1, "displaced, but it has grants"
    with pytest.raises(UnknownOAuthClientError, match="list of clients"):
        await sqlite_mika.store.oauth_clients.remove(CLAUDE)
