"""Clients that guess keys are throttled, holders of valid keys are not, and a flood of refusals is a few rows."""

import asyncio

import pytest
from starlette.requests import HTTPConnection

from auth.provider_chain import ChainedAuthProvider
from auth.providers import APIKeyAuthProvider
from auth.store import IdentityStore
from auth.store.key_format import ApiKey, new_key
from auth.store.records import NewKey
from auth.stored_keys import StoredKeyAuthProvider
from auth.throttle import ThrottledAuthProvider
from shared.audit import AuditEvent
from shared.failed_attempts import AT_ONCE
from shared.identity import AuthenticationError, AuthProvider, Principal
from tests.auth.conftest import SECRETS, Clock
from tests.captured_logs import capture_logs
from tests.kills import kills

SHARED_KEY = "a-key-of-thirty-two-characters-!"
OFFICE = "203.0.113.7"


class Trail:
    """Keeps the recorded events."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    async def record(self, event: AuditEvent) -> None:
        self.events.append(event)

    @property
    def details(self) -> list[str]:
        return [event.detail for event in self.events]


def request(key: str | None, address: str = OFFICE) -> HTTPConnection:
    headers = [] if key is None else [(b"x-api-key", key.encode())]
    return HTTPConnection({"type": "http", "headers": headers, "client": (address, 1)})


async def status_of(provider: AuthProvider, key: str | None, address: str = OFFICE) -> int:
    """Return the HTTP status of a request with `key`."""
    try:
        await provider.authenticate(request(key, address))
    except AuthenticationError as error:
        return error.status
    return 200


@pytest.fixture
def store(sqlite_store: IdentityStore) -> IdentityStore:
    return sqlite_store


@pytest.fixture
def trail() -> Trail:
    return Trail()


@pytest.fixture
def stored(store: IdentityStore, clock: Clock) -> StoredKeyAuthProvider:
    return StoredKeyAuthProvider(store, SECRETS, seconds=clock.seconds)


@pytest.fixture
def provider(stored: StoredKeyAuthProvider, trail: Trail, clock: Clock) -> ThrottledAuthProvider:
    chain = ChainedAuthProvider(stored, APIKeyAuthProvider(SHARED_KEY, seconds=clock.seconds))
    return ThrottledAuthProvider(chain, trail=trail, seconds=clock.seconds)


@kills("shared/failed_attempts.py", "self._fill(bucket).left -= 1", "pass")
async def test_ten_wrong_keys_at_once_and_then_one_in_six_seconds(
    provider: ThrottledAuthProvider, clock: Clock
) -> None:
    wrong = ["x" * 32, new_key().text, "tkt_live_x"] * 4

    assert [await status_of(provider, key) for key in wrong] == [401] * 10 + [429] * 2
    clock.go_on(seconds=5.9)
    assert await status_of(provider, "x") == 429
    clock.go_on(seconds=0.2)
    assert [await status_of(provider, "x") for _ in range(2)] == [401, 429]
    clock.go_on(seconds=3_600)
    assert [await status_of(provider, "x") for _ in range(11)] == [401] * 10 + [429]


async def test_who_guessed_too_often_is_told_when_to_come_back(
    provider: ThrottledAuthProvider, clock: Clock, compared: list[tuple[int, int]]
) -> None:
    for _ in range(AT_ONCE):
        await status_of(provider, "x")
    clock.go_on(seconds=2)
    compared.clear()

    with pytest.raises(AuthenticationError) as refused:
        await provider.authenticate(request(SHARED_KEY))

    assert (refused.value.status, refused.value.retry_after_s) == (429, 4)
    assert "4 s" in str(refused.value)
    assert compared == [], "a key that is not checked cannot be guessed"


@kills("shared/failed_attempts.py", "- bucket.under_way <", "<")
async def test_many_guesses_at_the_same_time_are_not_more(provider: ThrottledAuthProvider) -> None:
    statuses = await asyncio.gather(*(status_of(provider, new_key().text) for _ in range(40)))

    assert sorted(statuses) == [401] * 10 + [429] * 30


async def test_right_keys_cost_nothing_however_many_come_at_once(
    provider: ThrottledAuthProvider, store: IdentityStore, key: NewKey
) -> None:
    keys = [key] + [await store.keys.create("acme", user="mika@example.com", name=f"{n}") for n in range(24)]

    assert await asyncio.gather(*(status_of(provider, key.text) for key in keys)) == [200] * 25
    assert [await status_of(provider, "x") for _ in range(11)] == [401] * 10 + [429]


@kills("shared/failed_attempts.py", "if any(map(self._was_right, keys)):", "if False:")
async def test_colleagues_of_one_who_guesses_are_not_locked_out(
    provider: ThrottledAuthProvider, key: NewKey, clock: Clock
) -> None:
    for right in (key.text, SHARED_KEY):
        assert await status_of(provider, right) == 200
    for _ in range(AT_ONCE):
        await status_of(provider, "x")

    assert [await status_of(provider, right) for right in (key.text, SHARED_KEY)] == [200, 200]
    assert await status_of(provider, key.text, "198.51.100.1") == 200
    clock.go_on(minutes=59)
    for _ in range(AT_ONCE):
        await status_of(provider, "x")
    assert await status_of(provider, key.text) == 200


async def test_a_right_key_is_known_for_an_hour(provider: ThrottledAuthProvider, clock: Clock) -> None:
    await status_of(provider, SHARED_KEY)
    clock.go_on(hours=1)
    for _ in range(AT_ONCE):
        await status_of(provider, "x")

    assert await status_of(provider, SHARED_KEY) == 429


@kills("shared/failed_attempts.py", "self._right.discard(key)", "pass")
async def test_a_key_that_was_right_and_is_revoked_is_refused_and_then_a_guess(
    provider: ThrottledAuthProvider, store: IdentityStore, key: NewKey, clock: Clock
) -> None:
    await status_of(provider, key.text)
    await store.keys.revoke(key.record.public_id)
    clock.go_on(seconds=30)
    for _ in range(AT_ONCE):
        await status_of(provider, "x")

    assert [await status_of(provider, key.text) for _ in range(2)] == [401, 429]


@kills("shared/failed_attempts.py", "self._turn(network_of(address))", "self._turn(address)")
async def test_addresses_guess_each_for_themselves_and_a_network_of_ipv6_as_one(
    provider: ThrottledAuthProvider,
) -> None:
    for n in range(AT_ONCE):
        assert await status_of(provider, "x", f"2001:db8::{n}") == 401

    assert await status_of(provider, "x", "2001:db8::ffff") == 429
    assert await status_of(provider, "x", "2001:db8:0:1::1") == 401
    assert await status_of(provider, "x") == 401


@kills("shared/failed_attempts.py", "self._is_wrong = is_wrong", "self._is_wrong = bool")
async def test_no_key_and_a_store_that_is_away_are_no_guesses(
    provider: ThrottledAuthProvider, monkeypatch: pytest.MonkeyPatch, trail: Trail
) -> None:
    monkeypatch.setattr("auth.cache.MOST_QUESTIONS", 0)

    assert [await status_of(provider, key) for key in [None, new_key().text] * 12] == [401, 503] * 12
    assert trail.events == []


@kills("auth/throttle.py", "client_address(request, self._trusted_proxies)", "client_address(request, 0)")
async def test_what_the_address_is_decided_by_trusted_proxies(trail: Trail, clock: Clock) -> None:
    behind_one = ThrottledAuthProvider(
        APIKeyAuthProvider(SHARED_KEY), trail=trail, trusted_proxies=1, seconds=clock.seconds
    )
    statuses = []
    for n in range(12):  # each time another forged address, in front of the one our proxy adds
        headers = [(b"x-api-key", b"x"), (b"x-forwarded-for", f"198.51.100.{n}, {OFFICE}".encode())]
        with pytest.raises(AuthenticationError) as refused:
            await behind_one.authenticate(
                HTTPConnection({"type": "http", "headers": headers, "client": ("10.0.0.1", 1)})
            )
        statuses.append(refused.value.status)

    assert statuses == [401] * 10 + [429] * 2
    assert trail.details == [f"wrong key from {OFFICE}", f"too many wrong keys from {OFFICE}"]


async def test_a_refusal_is_audited_with_where_it_came_from(provider: ThrottledAuthProvider, trail: Trail) -> None:
    unknown = new_key()

    await status_of(provider, unknown.text)
    await status_of(provider, "tkt_live_x", "198.51.100.1")

    assert trail.events == [
        AuditEvent(
            action="authenticate",
            outcome="unauthenticated",
            credential=unknown.public_id,
            detail=f"wrong key from {OFFICE}",
        ),
        AuditEvent(action="authenticate", outcome="unauthenticated", detail="wrong key from 198.51.100.1"),
    ]


async def test_what_was_counted_is_audited_at_the_end(provider: ThrottledAuthProvider, trail: Trail) -> None:
    async with provider.run():
        for _ in range(3):
            await status_of(provider, "x")

    assert trail.details == [f"wrong key from {OFFICE}", f"wrong key from {OFFICE}, 2 times"]


@kills("auth/provider_chain.py", "is_stored = key.startswith(PREFIX)", "is_stored = False")
async def test_each_key_is_seen_by_the_provider_of_its_kind(
    provider: ThrottledAuthProvider, key: NewKey, compared: list[tuple[int, int]]
) -> None:
    stored = await provider.authenticate(request(key.text))
    shared = await provider.authenticate(request(SHARED_KEY))

    assert stored.credential == key.record.public_id
    assert shared == Principal(id="service-account", proof="api_key", credential="shared")
    assert compared == [(64, 64), (32, 32)], "digests in hexadecimal and in bytes: one comparison for each key"
    assert await provider.is_still_valid(stored)
    assert await provider.is_still_valid(shared)
    assert not await provider.is_still_valid(Principal(id="x", credential="AAAAAAAA"))


UNKNOWN = ApiKey(public_id="A" * 8, secret="s" * 43).text


@pytest.mark.parametrize("wrong", ["x", "tkt_", "tkt_live_x", UNKNOWN, SHARED_KEY + "!", ""])
async def test_one_answer_whichever_provider_refuses(wrong: str, provider: ThrottledAuthProvider) -> None:
    with pytest.raises(AuthenticationError) as refused:
        await provider.authenticate(request(wrong))

    assert (refused.value.status, str(refused.value)) == (401, "This API key is not valid.")


def test_the_shared_key_beside_the_store_is_warned_about_once(stored: StoredKeyAuthProvider) -> None:
    with capture_logs() as logged:
        ChainedAuthProvider(stored, APIKeyAuthProvider(SHARED_KEY))

    assert [line["message"] for line in logged] == ["shared_key_in_use"]
    assert SHARED_KEY not in str(logged)
