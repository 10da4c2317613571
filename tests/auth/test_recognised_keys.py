"""A proved key is recognised without another comparison, and never for longer than the lookup that proved it."""

from collections.abc import Awaitable, Callable

import pytest

from auth.presented import ContradictingCredentialsError
from auth.providers import RECOGNISED_S, APIKeyAuthProvider
from auth.store import IdentityStore
from auth.store.key_format import new_key
from auth.store.peppers import Secrets
from auth.store.records import NewKey
from auth.stored_keys import StoredKeyAuthProvider
from auth.throttle import ThrottledAuthProvider
from shared.failed_attempts import AT_ONCE
from tests.auth.conftest import NEWER_SECRET, SECRET, SECRETS, Clock
from tests.auth.test_throttle import SHARED_KEY, Trail, request, status_of
from tests.kills import kills


@pytest.fixture
def store(sqlite_store: IdentityStore) -> IdentityStore:
    return sqlite_store


@pytest.fixture
def stored(store: IdentityStore, clock: Clock) -> StoredKeyAuthProvider:
    return StoredKeyAuthProvider(store, SECRETS, seconds=clock.seconds)


@pytest.fixture
def provider(stored: StoredKeyAuthProvider, clock: Clock) -> ThrottledAuthProvider:
    return ThrottledAuthProvider(stored, trail=Trail(), seconds=clock.seconds)


async def test_a_secret_is_compared_once_for_each_lookup(
    provider: ThrottledAuthProvider, key: NewKey, clock: Clock, compared: list[tuple[int, int]]
) -> None:
    first = await provider.authenticate(request(key.text))
    clock.go_on(seconds=29.9)
    assert await provider.authenticate(request(key.text)) == first
    assert len(compared) == 1

    clock.go_on(seconds=0.1)
    assert await provider.authenticate(request(key.text)) == first
    assert len(compared) == 2


@kills("auth/stored_keys.py", "within_s=self._cache_s) is not stored", "within_s=1e9) is not stored")
@pytest.mark.parametrize(
    "change",
    [
        lambda store, key: store.keys.revoke(key.record.public_id),
        lambda store, key: store.memberships.remove(key.record.owner, "acme"),
        lambda store, key: store.users.disable(key.record.owner),
        lambda store, _: store.tenants.disable("acme"),
    ],
    ids=["revoked", "no member", "disabled user", "disabled tenant"],
)
async def test_a_key_in_constant_use_ends_within_thirty_seconds(
    change: Callable[[IdentityStore, NewKey], Awaitable[object]],
    provider: ThrottledAuthProvider,
    store: IdentityStore,
    key: NewKey,
    clock: Clock,
) -> None:
    assert await status_of(provider, key.text) == 200
    await change(store, key)
    statuses = []
    for _ in range(30):
        clock.go_on(seconds=1)
        statuses.append(await status_of(provider, key.text))

    assert statuses == [200] * 29 + [401]


@kills("auth/stored_keys.py", " is not stored or stored.expires_at <= now:", " is not stored:")
async def test_a_recognised_key_ends_at_the_moment_it_expires(
    provider: ThrottledAuthProvider, key: NewKey, clock: Clock
) -> None:
    clock.go_on(days=90, seconds=-1)
    assert [await status_of(provider, key.text) for _ in range(2)] == [200, 200]
    clock.go_on(seconds=1)

    assert await status_of(provider, key.text) == 401


async def test_only_the_key_that_was_proved_is_recognised(stored: StoredKeyAuthProvider, key: NewKey) -> None:
    await stored.owner_of(key.text)
    same_id = type(new_key())(public_id=key.record.public_id, secret=new_key().secret).text

    assert stored.recognised(key.text) is not None
    assert [stored.recognised(wrong) for wrong in (same_id, new_key().text, key.text + " ", key.text[:-1], "")] == (
        [None] * 5
    )


async def test_uses_of_a_recognised_key_are_recorded(
    stored: StoredKeyAuthProvider, store: IdentityStore, key: NewKey, clock: Clock
) -> None:
    await stored.owner_of(key.text)
    clock.go_on(seconds=15)
    assert stored.recognised(key.text) is not None
    await stored.note_uses()

    (record,) = await store.keys.all(tenant="acme")
    assert record.last_used_at == clock()


async def test_a_key_of_an_older_pepper_is_not_recognised_until_it_is_hashed_anew(
    store: IdentityStore, key: NewKey, clock: Clock
) -> None:
    stored = StoredKeyAuthProvider(store, Secrets([NEWER_SECRET, SECRET]), seconds=clock.seconds)
    await stored.owner_of(key.text)
    assert stored.recognised(key.text) is None

    await stored.note_uses()
    clock.go_on(seconds=30)
    await stored.owner_of(key.text)
    assert stored.recognised(key.text) is not None


async def test_a_shared_key_is_recognised_for_a_minute_and_a_guess_never(clock: Clock) -> None:
    shared = APIKeyAuthProvider(SHARED_KEY, seconds=clock.seconds)
    assert shared.recognised(SHARED_KEY) is None, "it was never proved here: a right guess would pass the throttle"
    await shared.owner_of(SHARED_KEY)

    assert shared.recognised(SHARED_KEY + "!") is None
    clock.go_on(seconds=RECOGNISED_S - 0.1)
    assert shared.recognised(SHARED_KEY) is not None
    clock.go_on(seconds=0.1)
    assert shared.recognised(SHARED_KEY) is None


async def test_two_credentials_never_take_the_short_way(
    stored: StoredKeyAuthProvider, provider: ThrottledAuthProvider, key: NewKey
) -> None:
    await provider.authenticate(request(key.text))
    twice = request(key.text)
    twice.scope["headers"].append((b"x-api-key", key.text.encode()))

    with pytest.raises(ContradictingCredentialsError):
        await provider.authenticate(twice)


async def test_a_recognised_key_passes_a_network_without_attempts(provider: ThrottledAuthProvider, key: NewKey) -> None:
    assert await status_of(provider, key.text) == 200
    for _ in range(AT_ONCE):
        await status_of(provider, "x")

    assert [await status_of(provider, key.text), await status_of(provider, "x")] == [200, 429]
