"""Signing keys: one is made, however many instances begin; a rotated one verifies on; an unreadable one is replaced."""

import asyncio

from auth.store import IdentityStore, open_store
from auth.store.authorization.signing_keys import SIGNS_ON, VERIFIES_ON
from auth.store.peppers import Secrets
from tests.auth.conftest import NEWER_SECRET, NOW, SECRETS, Clock


async def test_instances_that_begin_at_once_make_one_key(identity_url: str, clock: Clock) -> None:
    async with (
        open_store(identity_url, SECRETS, clock=clock) as one,
        open_store(identity_url, SECRETS, clock=clock) as other,
    ):
        found = await asyncio.gather(*(store.signing_keys.usable() for store in (one, other) * 3))

    assert len({keys[0].key.kid for keys in found}) == 1
    assert {len(keys) for keys in found} == {1}


async def test_rotations_at_once_agree_on_the_newest_key(store: IdentityStore) -> None:
    [first] = await store.signing_keys.usable()

    records = await asyncio.gather(*(store.signing_keys.rotate() for _ in range(3)))

    newest, *_ = keys = await store.signing_keys.all()
    assert [key.number for key in keys] == list(range(len(keys), 0, -1))
    assert newest.key_id in {record.key_id for record in records}
    assert first.key.kid not in {record.key_id for record in records}
    assert (await store.signing_keys.usable())[0].key.kid == newest.key_id


async def test_a_superseded_key_verifies_for_an_hour_and_is_deleted_then(
    sqlite_store: IdentityStore, clock: Clock
) -> None:
    [first] = await sqlite_store.signing_keys.usable()
    clock.go_on(days=100)
    second = await sqlite_store.signing_keys.rotate()

    newest, superseded = await sqlite_store.signing_keys.usable()
    assert (newest.key.kid, superseded.key.kid) == (second.key_id, first.key.kid)
    assert (newest.superseded_at, superseded.superseded_at) == (None, clock.now)
    for key, moment, expected in (
        (newest, clock.now + 100 * VERIFIES_ON, (True, True)),
        (superseded, clock.now + SIGNS_ON / 2, (True, True)),
        (superseded, clock.now + SIGNS_ON, (False, True)),
        (superseded, clock.now + VERIFIES_ON, (False, False)),
    ):
        assert (key.signs(moment), key.verifies(moment)) == expected
    clock.go_on(hours=1)
    assert [key.key.kid for key in await sqlite_store.signing_keys.usable()] == [second.key_id]
    third = await sqlite_store.signing_keys.rotate()
    assert [key.number for key in await sqlite_store.signing_keys.all()] == [third.number, second.number]


async def test_a_key_whose_secret_is_not_set_any_more_is_replaced(sqlite_identity_url: str, clock: Clock) -> None:
    async with open_store(sqlite_identity_url, SECRETS, clock=clock) as before:
        [first] = await before.signing_keys.usable()
        async with open_store(sqlite_identity_url, Secrets([NEWER_SECRET]), clock=clock) as after:
            [second] = await after.signing_keys.usable()
            assert second.key.kid != first.key.kid
            assert [key.key.kid for key in await after.signing_keys.usable()] == [second.key.kid]
            # The other instance goes on with what it can read, and does not answer with a key at once.
            assert [key.key.kid for key in await before.signing_keys.usable()] == [first.key.kid]
            assert len(await before.signing_keys.all()) == 2


async def test_neither_the_database_nor_the_audit_has_a_private_key(sqlite_store: IdentityStore) -> None:
    [key] = await sqlite_store.signing_keys.usable()
    private = key.key.as_dict(private=True)["d"]

    assert repr(key) == "SigningKey(superseded_at=None)"
    [event] = [event async for event in sqlite_store.audit.events()]
    assert (event.action, event.object, event.at) == ("signing_key_added", key.key.kid, NOW)
    assert str(private) not in str(event)
    [record] = await sqlite_store.signing_keys.all()
    assert str(private) not in str(record)
