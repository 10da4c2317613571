"""Sign-ins in progress: found once by their `state`, on any instance, and encrypted."""

import asyncio
from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import select

from auth.store import IdentityStore, open_store
from auth.store.authorization.tables import sign_ins
from auth.store.peppers import Secrets
from auth.store.transactions import AuditedTransactions
from tests.auth.conftest import NEWER_SECRET, SECRET, SECRETS, Clock
from tests.auth.store.authorization.conftest import count

PAYLOAD: Final = {"nonce": "a-nonce-to-keep-secret", "request": {"state": None, "scopes": ["tickets:read"]}}


async def test_one_of_many_who_return_at_once_goes_on(store: IdentityStore, other: IdentityStore) -> None:
    state = await store.sign_ins.begin(PAYLOAD)

    taken = await asyncio.gather(*(one.sign_ins.take(state) for one in (store, other) * 4))

    assert [each for each in taken if each is not None] == [PAYLOAD]
    assert await store.sign_ins.take(state) is None


async def test_a_sign_in_ends_with_its_life(sqlite_store: IdentityStore, clock: Clock) -> None:
    long, short = [await sqlite_store.sign_ins.begin(PAYLOAD, life=timedelta(seconds=life)) for life in (61, 60)]
    clock.go_on(seconds=60)

    assert await sqlite_store.sign_ins.take(short) is None
    assert await sqlite_store.sign_ins.take(long) == PAYLOAD


async def test_nothing_of_a_sign_in_can_be_read_in_the_database(sqlite_store: IdentityStore) -> None:
    state = await sqlite_store.sign_ins.begin(PAYLOAD)

    async with sqlite_store._transactions.reading() as connection:
        row = (await connection.execute(select(sign_ins))).one()

    assert len(state) >= 43, "256 bits"
    assert state not in f"{row}"
    assert "nonce" not in f"{row}"


async def test_a_secret_that_is_not_set_any_more_ends_its_sign_ins(sqlite_identity_url: str, clock: Clock) -> None:
    async with open_store(sqlite_identity_url, SECRETS, clock=clock) as before:
        states = [await before.sign_ins.begin(PAYLOAD) for _ in range(2)]

    async with open_store(sqlite_identity_url, Secrets([NEWER_SECRET, SECRET]), clock=clock) as rotated:
        assert await rotated.sign_ins.take(states[0]) == PAYLOAD
    async with open_store(sqlite_identity_url, Secrets([NEWER_SECRET]), clock=clock) as without:
        assert await without.sign_ins.take(states[1]) is None


async def test_a_state_that_is_none_does_not_write(
    sqlite_store: IdentityStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A callback needs no credential: others must not wait for it."""
    monkeypatch.setattr(AuditedTransactions, "changing", None)

    for state in ("", "unknown", "\0", "\ud800", "x" * 100_000):
        assert await sqlite_store.sign_ins.take(state) is None


async def test_abandoned_sign_ins_do_not_pile_up(
    store: IdentityStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.store.authorization.sign_ins.MOST", 3)
    states = []
    for _ in range(5):
        states.append(await store.sign_ins.begin(PAYLOAD))
        clock.go_on(seconds=1)

    assert await count(store, "sign_ins") == 3
    assert [await store.sign_ins.take(state) is not None for state in states] == [False, False, True, True, True]
    await store.sign_ins.begin(PAYLOAD)
    clock.go_on(minutes=10)
    await store.sign_ins.begin(PAYLOAD)
    assert await count(store, "sign_ins") == 1
