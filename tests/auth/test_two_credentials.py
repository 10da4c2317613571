"""A key of ours beside a credential that a gateway in front asks for (case C11): the one that is valid here counts."""

from collections.abc import Callable
from typing import Final

import pytest
from starlette.requests import HTTPConnection

from auth.provider_chain import ChainedAuthProvider
from auth.providers import APIKeyAuthProvider
from auth.store import IdentityStore
from auth.store.key_format import new_key
from auth.store.records import NewKey
from auth.stored_keys import StoredKeyAuthProvider
from auth.throttle import ThrottledAuthProvider
from shared.client_habits import ClientHabits
from shared.counting import TallyCounter
from shared.failed_attempts import AT_ONCE
from shared.identity import AuthenticationError, AuthProvider, Principal
from tests.auth.conftest import SECRETS, Clock
from tests.auth.test_throttle import OFFICE, SHARED_KEY, Trail
from tests.captured_logs import capture_logs
from tests.client_habits import FOREIGN
from tests.kills import kills

CONTRADICTION: Final = "Send one credential: either the header x-api-key or Authorization: Bearer, not both."
WRONG: Final = "x" * 32
HABIT: Final = "foreign_credential"


def request(*headers: tuple[str, str], address: str = OFFICE) -> HTTPConnection:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return HTTPConnection({"type": "http", "headers": raw, "client": (address, 1)})


def both(key: str, token: str) -> HTTPConnection:
    return request(("x-api-key", key), ("authorization", f"Bearer {token}"))


async def outcome(provider: AuthProvider, sent: HTTPConnection) -> Principal | tuple[int, str]:
    try:
        return await provider.authenticate(sent)
    except AuthenticationError as error:
        return error.status, str(error)


@pytest.fixture
def store(sqlite_store: IdentityStore) -> IdentityStore:
    return sqlite_store


@pytest.fixture
def counter() -> TallyCounter:
    return TallyCounter()


@pytest.fixture
def trail() -> Trail:
    return Trail()


Make = Callable[[ClientHabits], ThrottledAuthProvider]


@pytest.fixture
def make(store: IdentityStore, trail: Trail, clock: Clock) -> Make:
    """Make what stands in front of the identity store and the shared key."""

    def provider(habits: ClientHabits) -> ThrottledAuthProvider:
        stored = StoredKeyAuthProvider(store, SECRETS, seconds=clock.seconds)
        chain = ChainedAuthProvider(stored, APIKeyAuthProvider(SHARED_KEY), habits=habits)
        return ThrottledAuthProvider(chain, trail=trail, seconds=clock.seconds)

    return provider


@pytest.fixture
def provider(make: Make, counter: TallyCounter) -> ThrottledAuthProvider:
    return make(ClientHabits(counter=counter))


@pytest.mark.parametrize(
    "foreign",
    [FOREIGN, "opaque", "", WRONG, new_key().text, "tkt_live_x", "キー"],
    ids=["a token", "opaque", "empty", "a wrong key", "an unknown key", "half a key", "not ASCII"],
)
async def test_the_key_counts_in_whichever_header_it_is_and_what_stands_beside_it_is_ignored(
    provider: ThrottledAuthProvider, key: NewKey, counter: TallyCounter, trail: Trail, foreign: str
) -> None:
    for ours, credential in ((key.text, key.record.public_id), (SHARED_KEY, "shared")):
        for sent in (both(ours, foreign), both(foreign, ours)):
            principal = await provider.authenticate(sent)
            assert principal.credential == credential

    assert counter.total("client_habits", habit=HABIT) == 4
    assert trail.events == []


async def test_the_providers_alone_do_the_same(store: IdentityStore, key: NewKey, clock: Clock) -> None:
    for provider, ours in (
        (APIKeyAuthProvider(SHARED_KEY), SHARED_KEY),
        (StoredKeyAuthProvider(store, SECRETS, seconds=clock.seconds), key.text),
    ):
        assert isinstance(await outcome(provider, both(ours, FOREIGN)), Principal)
        assert isinstance(await outcome(provider, both(FOREIGN, ours)), Principal)
        assert isinstance(await outcome(provider, both(ours, ours)), Principal)
        assert await outcome(provider, both(WRONG, FOREIGN)) == (401, "This API key is not valid.")


async def test_the_same_key_in_both_is_one_key(
    provider: ThrottledAuthProvider, key: NewKey, counter: TallyCounter
) -> None:
    for ours in (key.text, SHARED_KEY):
        assert isinstance(await outcome(provider, both(ours, ours)), Principal)
    assert isinstance(await outcome(provider, both(SHARED_KEY, f" {SHARED_KEY}\t")), Principal)
    assert counter.total("client_habits", habit=HABIT) == 3


@kills("auth/providers.py", "if len(owners) > 1:", "if False:")
async def test_two_different_keys_of_ours_contradict_each_other_and_are_no_attempt(
    provider: ThrottledAuthProvider, store: IdentityStore, key: NewKey, counter: TallyCounter, trail: Trail
) -> None:
    other = await store.keys.create("acme", user="mika@example.com", name="other")

    for one, two in ((key.text, SHARED_KEY), (SHARED_KEY, key.text), (key.text, other.text)):
        assert await outcome(provider, both(one, two)) == (400, CONTRADICTION)

    assert counter.total("client_habits") == 0
    assert trail.events == []


@pytest.mark.parametrize(
    "headers",
    [
        [("x-api-key", SHARED_KEY), ("x-api-key", SHARED_KEY)],
        [("x-api-key", SHARED_KEY), ("x-api-key", "x"), ("authorization", f"Bearer {FOREIGN}")],
        [("x-api-key", SHARED_KEY), ("authorization", f"Bearer {FOREIGN}"), ("authorization", f"Bearer {FOREIGN}")],
        [("authorization", f"Bearer {SHARED_KEY}"), ("authorization", f"Bearer {FOREIGN}")],
        [("x-api-key", SHARED_KEY), ("authorization", "Basic eDp5")],
        [("x-api-key", SHARED_KEY), ("authorization", "")],
        [("x-api-key", SHARED_KEY), ("authorization", FOREIGN)],
    ],
)
async def test_any_other_pair_is_refused_as_before(
    provider: ThrottledAuthProvider, counter: TallyCounter, headers: list[tuple[str, str]]
) -> None:
    assert await outcome(provider, request(*headers)) == (400, CONTRADICTION)
    assert counter.total("client_habits") == 0


async def test_switched_off_every_pair_is_refused_unchecked(make: Make, key: NewKey, trail: Trail) -> None:
    strict = make(ClientHabits(off=[HABIT]))

    for sent in (both(key.text, FOREIGN), both(SHARED_KEY, SHARED_KEY), both(WRONG, FOREIGN)):
        assert await outcome(strict, sent) == (400, CONTRADICTION)

    assert trail.events == []
    assert isinstance(await outcome(strict, request(("x-api-key", key.text))), Principal)


async def test_a_wrong_key_beside_a_foreign_token_is_one_attempt(
    provider: ThrottledAuthProvider, trail: Trail, counter: TallyCounter
) -> None:
    unknown = new_key()
    statuses = [await outcome(provider, both(unknown.text, FOREIGN)) for _ in range(AT_ONCE + 1)]

    assert statuses[:AT_ONCE] == [(401, "This API key is not valid.")] * AT_ONCE
    assert isinstance(statuses[AT_ONCE], tuple)
    assert statuses[AT_ONCE][0] == 429
    assert trail.details == [f"wrong key from {OFFICE}", f"too many wrong keys from {OFFICE}"]
    assert {event.credential for event in trail.events} == {unknown.public_id}
    assert counter.total("client_habits") == 0


async def test_foreign_tokens_beside_a_right_key_are_no_attempts_and_a_guesser_does_not_lock_them_out(
    provider: ThrottledAuthProvider, key: NewKey
) -> None:
    for n in range(2 * AT_ONCE):
        assert isinstance(await outcome(provider, both(key.text, f"{FOREIGN}{n}")), Principal)
    for _ in range(AT_ONCE):
        assert await outcome(provider, request(("x-api-key", WRONG))) == (401, "This API key is not valid.")

    assert isinstance(await outcome(provider, both(key.text, "a token that is new")), Principal)
    assert isinstance(await outcome(provider, both("a token that is new", key.text)), Principal)
    refused = await outcome(provider, both(WRONG, FOREIGN))
    assert isinstance(refused, tuple)
    assert refused[0] == 429


async def test_a_revoked_key_beside_a_foreign_token_is_refused(
    provider: ThrottledAuthProvider, store: IdentityStore, key: NewKey, clock: Clock
) -> None:
    assert isinstance(await outcome(provider, both(key.text, FOREIGN)), Principal)
    await store.keys.revoke(key.record.public_id)
    clock.go_on(seconds=30)

    assert await outcome(provider, both(key.text, FOREIGN)) == (401, "This API key is not valid.")


async def test_while_the_store_is_away_a_foreign_token_changes_nothing(
    provider: ThrottledAuthProvider, key: NewKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    await provider.authenticate(both(key.text, FOREIGN))
    monkeypatch.setattr("auth.cache.MOST_QUESTIONS", 0)

    assert isinstance(await outcome(provider, both(key.text, FOREIGN)), Principal)
    assert isinstance(await outcome(provider, both(SHARED_KEY, FOREIGN)), Principal)
    late = await outcome(provider, both(new_key().text, FOREIGN))
    assert isinstance(late, tuple)
    assert late[0] == 503


async def test_neither_credential_is_logged_audited_or_shown(
    provider: ThrottledAuthProvider, key: NewKey, trail: Trail
) -> None:
    pairs = (key.text, FOREIGN), (WRONG, FOREIGN), (key.text, SHARED_KEY)
    with capture_logs() as logged:
        shown = [await outcome(provider, both(*pair)) for pair in pairs]

    everything = f"{logged} {trail.events} {shown}"
    assert not [secret for secret in (key.text, FOREIGN, WRONG, SHARED_KEY) if secret in everything]
