"""Tokens beside keys: each is checked by its own provider, and stale tokens delay no one and are audited sparingly."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Final

import pytest
from starlette.requests import HTTPConnection

import auth.oauth
import auth.providers
from auth.oauth.identities import StoredIdentities
from auth.oauth.key_set import IssuerKeys
from auth.oauth.provider import OAuthProvider
from auth.oauth.resources import ProtectedResources
from auth.oauth.verification import TokenVerifier
from auth.presented import NoCredentialError
from auth.provider_chain import ChainedAuthProvider
from auth.providers import APIKeyAuthProvider
from auth.store import IdentityStore
from auth.store.key_format import new_key
from auth.store.records import NewKey
from auth.stored_keys import StoredKeyAuthProvider
from auth.token_or_key import TokenOrKeyAuthProvider
from shared.client_habits import ClientHabits
from shared.counting import TallyCounter
from shared.failed_attempts import AT_ONCE
from shared.identity import AuthenticationError, Principal
from tests.auth.conftest import NOW, SECRETS, Clock
from tests.auth.oauth.signing import PUBLIC, Documents, Signer
from tests.auth.test_throttle import OFFICE, SHARED_KEY, Trail
from tests.captured_logs import capture_logs
from tests.client_habits import FOREIGN
from tests.kills import kills

MIKA: Final = "mika@example.com"
HABIT: Final = "foreign_credential"
HEADER: Final = "eyJhbGciOiJSUzI1NiJ9"
"""`{"alg":"RS256"}`"""
CONTRADICTION: Final = "Send one credential: either the header x-api-key or Authorization: Bearer, not both."
EXPIRED: Final = "The access token has expired. Refresh it, or sign in again."
WRONG: Final = "This API key is not valid."

Header = tuple[str, str]
Outcome = str | tuple[int, str]


def request(*headers: Header, path: str = "/mcp", query: str = "", address: str = OFFICE) -> HTTPConnection:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    place = {"path": path, "query_string": query.encode(), "client": (address, 1)}
    return HTTPConnection({"type": "http", "headers": raw, **place})


def bearer(token: str) -> Header:
    return ("authorization", f"Bearer {token}")


def key_header(key: str) -> Header:
    return ("x-api-key", key)


async def outcome(provider: TokenOrKeyAuthProvider, *headers: Header, path: str = "/mcp") -> Outcome:
    """Return how the caller proved who they are, or the refusal."""
    try:
        return (await provider.authenticate(request(*headers, path=path))).proof
    except AuthenticationError as error:
        return error.status, str(error)


@pytest.fixture
def store(sqlite_store: IdentityStore) -> IdentityStore:
    return sqlite_store


@pytest.fixture
def acme() -> Signer:
    return Signer("https://login.acme.example")


@pytest.fixture
def token(acme: Signer, key: NewKey, clock: Clock) -> str:
    """A fresh token of Mika, who also has a key."""
    return acme.token("1", clock().timestamp(), email=MIKA, email_verified=True)


@pytest.fixture
def stale(acme: Signer, clock: Clock) -> str:
    return acme.token("1", (clock() - timedelta(hours=2)).timestamp())


@pytest.fixture
def trail() -> Trail:
    return Trail()


@pytest.fixture
def counter() -> TallyCounter:
    return TallyCounter()


Make = Callable[..., TokenOrKeyAuthProvider]


@pytest.fixture
def make(store: IdentityStore, acme: Signer, clock: Clock, trail: Trail) -> Make:
    """Make what stands in front of the identity store, the shared key and the identity provider of acme."""

    def provider(habits: ClientHabits | None = None, shared_key: str = SHARED_KEY) -> TokenOrKeyAuthProvider:
        acmes = IssuerKeys(acme.url, Documents(acme), seconds=clock.seconds)
        verifier = TokenVerifier({acme.url: acmes}, clock=lambda: clock().timestamp())
        owners = StoredIdentities(store, {acme.url: frozenset({"acme"})}, seconds=clock.seconds)
        tokens = OAuthProvider(verifier, {acme.url: owners}, ProtectedResources(PUBLIC))
        stored = StoredKeyAuthProvider(store, SECRETS, seconds=clock.seconds)
        keys = ChainedAuthProvider(stored, APIKeyAuthProvider(shared_key), habits=habits)
        return TokenOrKeyAuthProvider(tokens, keys, trail=trail, habits=habits, seconds=clock.seconds)

    return provider


@pytest.fixture
async def provider(make: Make, counter: TallyCounter) -> AsyncIterator[TokenOrKeyAuthProvider]:
    made = make(ClientHabits(counter=counter))
    async with made.run():
        yield made


async def test_a_token_and_a_key_of_one_person_are_the_same_person(
    provider: TokenOrKeyAuthProvider, store: IdentityStore, key: NewKey, token: str, clock: Clock
) -> None:
    """So their sessions are the same, too."""
    by_token = await provider.authenticate(request(bearer(token)))
    by_key = await provider.authenticate(request(bearer(key.text)))

    assert by_token.key == by_key.key == ("acme", key.record.owner)
    assert (by_token.proof, by_key.proof) == ("oauth", "api_key")
    assert [await provider.is_still_valid(each) for each in (by_token, by_key)] == [True, True]
    await store.identities.remove(by_token.credential)
    clock.go_on(seconds=30)
    assert [await provider.is_still_valid(each) for each in (by_token, by_key)] == [False, True]
    await store.keys.revoke(key.record.public_id)
    clock.go_on(seconds=30)
    assert not await provider.is_still_valid(by_key)


@kills("auth/token_or_key.py", "if token is None:", "if True:")
async def test_stale_tokens_and_wrong_keys_from_one_address_delay_no_one_there(
    provider: TokenOrKeyAuthProvider, key: NewKey, token: str, stale: str, trail: Trail
) -> None:
    assert await outcome(provider, key_header(key.text)) == "api_key"

    stale_ones = [await outcome(provider, bearer(stale)) for _ in range(14)]
    assert stale_ones == [(401, EXPIRED)] * 14
    wrong_ones = [await outcome(provider, key_header(new_key().text)) for _ in range(20)]
    assert wrong_ones[:AT_ONCE] == [(401, WRONG)] * AT_ONCE, "stale tokens took no attempt"
    assert {answer[0] for answer in wrong_ones[AT_ONCE:]} == {429}

    assert await outcome(provider, bearer(stale)) == (401, EXPIRED)
    assert await outcome(provider, bearer(token)) == "oauth"
    assert await outcome(provider, key_header(key.text)) == "api_key"
    assert [(event.action, event.detail) for event in trail.events] == [
        ("token_refused", f"expired from {OFFICE}"),
        ("authenticate", f"wrong key from {OFFICE}"),
        ("authenticate", f"too many wrong keys from {OFFICE}"),
    ]


async def test_refused_tokens_are_audited_once_and_then_counted(
    make: Make, acme: Signer, stale: str, clock: Clock, trail: Trail
) -> None:
    stranger = acme.token("stranger", clock().timestamp())
    provider = make(ClientHabits())
    async with provider.run():
        for sent in (stale, stranger) * 3:
            with pytest.raises(AuthenticationError):
                await provider.authenticate(request(bearer(sent)))
        with pytest.raises(AuthenticationError):
            await provider.authenticate(request(bearer(stale), address="198.51.100.1"))

    expired, unknown = [event for event in trail.events if "times" not in event.detail and OFFICE in event.detail]
    assert {event.action for event in trail.events} == {"token_refused"}
    assert (expired.outcome, expired.object) == ("unauthenticated", "")
    assert (unknown.outcome, unknown.object) == ("not_admitted", "stranger")
    assert sorted(trail.details) == [
        "expired from 198.51.100.1",
        f"expired from {OFFICE}",
        f"expired from {OFFICE}, 2 times",
        f"unknown_subject from {OFFICE} at {acme.url}",
        f"unknown_subject from {OFFICE} at {acme.url}, 2 times",
    ]


async def test_many_subjects_from_one_address_are_one_kind_of_refusal(
    make: Make, acme: Signer, clock: Clock, trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They neither fill the audit trail nor hide the refusals of others."""
    monkeypatch.setattr("auth.token_or_key.MOST_ADDRESSES", 3)
    now = clock().timestamp()
    provider = make()
    async with provider.run():
        for number in range(20):
            await outcome(provider, bearer(acme.token(f"stranger-{number}", now)))
        assert [event.object for event in trail.events] == ["stranger-0"]
        with pytest.raises(AuthenticationError):
            await provider.authenticate(request(bearer(acme.token("ken", now)), address="198.51.100.1"))

    assert [(event.object, event.detail.partition(" from ")[2].split(" ")[0]) for event in trail.events] == [
        ("stranger-0", OFFICE),
        ("ken", "198.51.100.1"),
        ("stranger-19", OFFICE),
    ]


async def test_a_token_in_the_query_is_no_credential(
    provider: TokenOrKeyAuthProvider, token: str, trail: Trail
) -> None:
    with pytest.raises(NoCredentialError, match=r"^Sign in, or send an API key in the header x-api-key\.$"):
        await provider.authenticate(request(query=f"access_token={token}"))
    assert trail.events == []


@pytest.mark.parametrize(
    "headers",
    [[bearer("")], [bearer(" \t")], [("authorization", "bearer")], [key_header("")], [key_header(" "), bearer("")]],
    ids=["a bearer", "blanks", "the scheme", "a key", "both"],
)
async def test_an_empty_credential_is_none_at_all(
    headers: list[Header], provider: TokenOrKeyAuthProvider, trail: Trail
) -> None:
    for _ in range(AT_ONCE + 1):
        with pytest.raises(NoCredentialError, match=r"^Sign in, or"):
            await provider.authenticate(request(*headers))
    assert trail.events == []


async def test_an_empty_key_beside_a_token_is_not_there(
    provider: TokenOrKeyAuthProvider, token: str, stale: str, counter: TallyCounter, trail: Trail
) -> None:
    assert await outcome(provider, key_header(""), bearer(token)) == "oauth"
    assert await outcome(provider, key_header(""), bearer(stale)) == (401, EXPIRED)
    assert counter.total("client_habits") == 0
    assert [event.action for event in trail.events] == ["token_refused"]


async def test_a_token_is_read_from_one_header_alone(provider: TokenOrKeyAuthProvider, token: str) -> None:
    assert await outcome(provider, key_header(token)) == (401, WRONG)
    assert await outcome(provider, ("authorization", f"Basic {token}")) == (
        400,
        "Authorization must be of the form 'Bearer <key>'.",
    )
    assert await outcome(provider, bearer(token), bearer(token)) == (400, CONTRADICTION)
    assert await outcome(provider, ("cookie", f"access_token={token}")) == (
        401,
        "Sign in, or send an API key in the header x-api-key.",
    )


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/sse", "/messages"])
async def test_a_token_opens_the_resource_that_it_was_issued_for(
    path: str, provider: TokenOrKeyAuthProvider, acme: Signer, key: NewKey, clock: Clock
) -> None:
    mine, other = ("/mcp", "/sse") if path.startswith("/mcp") else ("/sse", "/mcp")

    async def opens(*audience: str) -> bool:
        sent = acme.token("1", clock().timestamp(), email=MIKA, email_verified=True, aud=list(audience))
        return await outcome(provider, bearer(sent), path=path) == "oauth"

    assert await opens(PUBLIC + mine)
    assert await opens(f"{PUBLIC}{mine}/")
    assert await opens(PUBLIC)
    assert await opens("https://else.example", f"{PUBLIC}/")
    assert not await opens(PUBLIC + other)
    assert not await opens("https://else.example/mcp")


async def test_a_token_beside_a_credential_of_a_gateway_counts_and_is_no_attempt(
    provider: TokenOrKeyAuthProvider, token: str, counter: TallyCounter, trail: Trail
) -> None:
    for n in range(2 * AT_ONCE):
        assert await outcome(provider, bearer(token), key_header(f"of a gateway {n}")) == "oauth"

    assert counter.total("client_habits", habit=HABIT) == 2 * AT_ONCE
    assert await outcome(provider, key_header("a guess")) == (401, WRONG)
    assert [event.action for event in trail.events] == ["authenticate"]


async def test_a_wrong_key_of_our_form_beside_a_valid_token_is_audited_and_no_attempt(
    provider: TokenOrKeyAuthProvider, token: str, key: NewKey, store: IdentityStore, trail: Trail
) -> None:
    """Guesses, or a key that was revoked; a gateway has keys of another form."""
    await store.keys.revoke(key.record.public_id)
    for sent in (key.text, *(new_key().text for _ in range(2 * AT_ONCE)), "of a gateway"):
        assert await outcome(provider, bearer(token), key_header(sent)) == "oauth"

    [event] = trail.events
    assert (event.action, event.outcome, event.object) == ("authenticate", "unauthenticated", key.record.public_id)
    assert event.detail == f"wrong key beside a valid token from {OFFICE}"
    principal = await provider.authenticate(request(bearer(token)))
    assert (event.tenant, event.actor, event.credential) == ("acme", principal.id, principal.credential)
    assert await outcome(provider, key_header(new_key().text)) == (401, WRONG)


async def test_what_cannot_be_checked_beside_a_valid_token_is_not_audited(
    provider: TokenOrKeyAuthProvider, token: str, trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await outcome(provider, bearer(token)) == "oauth"
    monkeypatch.setattr("auth.cache.MOST_QUESTIONS", 0)

    assert await outcome(provider, bearer(token), key_header(new_key().text)) == "oauth"
    assert trail.events == []


async def test_a_key_beside_a_token_that_is_not_accepted_counts(
    provider: TokenOrKeyAuthProvider, key: NewKey, stale: str, acme: Signer, counter: TallyCounter
) -> None:
    now = NOW.timestamp()
    elsewhere = acme.token("1", now, aud="https://gateway.example")
    for ours in (key.text, SHARED_KEY):
        for theirs in (FOREIGN, stale, elsewhere, Signer("https://else.example").token("1", now)):
            assert await outcome(provider, key_header(ours), bearer(theirs)) == "api_key"

    assert counter.total("client_habits", habit=HABIT) == 8, "each is counted once"


async def test_a_token_that_is_refused_beside_a_right_key_is_not_audited(
    provider: TokenOrKeyAuthProvider, key: NewKey, stale: str, trail: Trail
) -> None:
    for theirs in (FOREIGN, stale):
        assert await outcome(provider, key_header(key.text), bearer(theirs)) == "api_key"

    assert trail.events == []


async def test_of_two_that_are_refused_the_one_that_was_meant_for_this_server_is_told(
    provider: TokenOrKeyAuthProvider, stale: str, clock: Clock, trail: Trail
) -> None:
    gateway = Signer("https://gateway.example").token("1", clock().timestamp())

    assert await outcome(provider, key_header("x"), bearer(stale)) == (401, EXPIRED)
    assert await outcome(provider, key_header("x"), bearer(gateway)) == (401, WRONG)
    assert [event.action for event in trail.events] == ["authenticate", "token_refused"]


async def test_two_that_are_valid_have_one_owner_or_contradict_each_other(
    provider: TokenOrKeyAuthProvider, store: IdentityStore, key: NewKey, token: str, counter: TallyCounter
) -> None:
    await store.users.add("ken@example.com")
    await store.memberships.set("ken@example.com", "acme", role="agent")
    of_ken = await store.keys.create("acme", user="ken@example.com", name="laptop")

    assert await outcome(provider, key_header(key.text), bearer(token)) == "oauth"
    assert await outcome(provider, key_header(of_ken.text), bearer(token)) == (400, CONTRADICTION)
    assert await outcome(provider, key_header(SHARED_KEY), bearer(token)) == (400, CONTRADICTION)
    assert counter.total("client_habits", habit=HABIT) == 1


async def test_switched_off_both_are_refused_unchecked(make: Make, key: NewKey, token: str) -> None:
    strict = make(ClientHabits(off=[HABIT]))

    assert await outcome(strict, key_header(key.text), bearer(token)) == (400, CONTRADICTION)
    assert await outcome(strict, bearer(token)) == "oauth"


async def test_what_cannot_be_checked_does_not_keep_out_who_has_something_else(
    provider: TokenOrKeyAuthProvider, key: NewKey, token: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The identity provider, then the identity store does not answer."""
    documents = Documents.json
    monkeypatch.setattr(Documents, "json", Documents().json)

    refused = await outcome(provider, bearer(token))
    assert isinstance(refused, tuple)
    assert refused[0] == 503
    assert await outcome(provider, key_header(key.text), bearer(token)) == "api_key"
    assert await outcome(provider, key_header("x"), bearer(token)) == refused
    monkeypatch.setattr(Documents, "json", documents)
    clock.go_on(seconds=10)
    assert await outcome(provider, bearer(token)) == "oauth"
    monkeypatch.setattr("auth.cache.MOST_QUESTIONS", 0)
    assert await outcome(provider, key_header(new_key().text), bearer(token)) == "oauth"


@pytest.mark.parametrize("rest", ["b.c", "b.", ".", "b.c.d.e", ".c.d.e"])
async def test_whatever_has_the_form_of_a_token_is_no_wrong_key(
    rest: str, provider: TokenOrKeyAuthProvider, trail: Trail
) -> None:
    """Some providers encrypt their tokens, in five parts, for clients that do not name their audience."""
    unreadable = (401, "This is not a readable access token. Sign in again.")

    assert [await outcome(provider, bearer(f"{HEADER}.{rest}")) for _ in range(AT_ONCE + 1)] == [unreadable] * (
        AT_ONCE + 1
    )
    assert trail.details == [f"malformed from {OFFICE}"]


async def test_what_could_not_be_checked_is_not_audited_as_refused(
    provider: TokenOrKeyAuthProvider, token: str, trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.cache.MOST_QUESTIONS", 0)

    refused = await outcome(provider, bearer(token))

    assert refused == (503, "The identity store is not answering. Nothing was changed; try again in a moment.")
    assert trail.events == []


async def test_other_forms_in_the_header_are_keys_as_before(provider: TokenOrKeyAuthProvider, key: NewKey) -> None:
    for ours in (key.text, SHARED_KEY):
        assert await outcome(provider, bearer(ours)) == "api_key"
    for wrong in ("x", "a.b", f"{HEADER}.b.c.d", f"{HEADER} b.c.d", f"{HEADER}.b.c+d", "ä.b.c"):
        assert await outcome(provider, bearer(wrong)) == (401, WRONG)


def encoded(header: bytes) -> str:
    return urlsafe_b64encode(header).decode().rstrip("=")


NOT_HEADERS: Final = {
    "letters": "abcdefgh",
    "one letter": "a",
    "no JSON": encoded(b"alg"),
    "a list": encoded(b'["alg"]'),
    "a text": encoded(b'"alg"'),
    "no alg": encoded(b'{"typ":"JWT"}'),
    "not UTF-8": encoded(b'{"alg":"\xff"}'),
    "nested": encoded(b'{"alg":' + b"[" * 5000),
    "too long": encoded(b'{"alg":"' + b"x" * 8192 + b'"}'),
}


@pytest.mark.parametrize("first", NOT_HEADERS.values(), ids=NOT_HEADERS)
async def test_a_shared_key_with_dots_is_a_key(first: str, make: Make) -> None:
    key = f"{first}.the-rest-of-the-key.0123456789"
    provider = make(shared_key=key)

    assert await outcome(provider, bearer(key)) == await outcome(provider, key_header(key)) == "api_key"
    assert await outcome(provider, bearer(f"{key}x")) == (401, WRONG)


async def test_neither_credential_is_logged_audited_or_shown(
    provider: TokenOrKeyAuthProvider, key: NewKey, token: str, stale: str, trail: Trail
) -> None:
    with capture_logs() as logged:
        pairs = [(key.text, stale), ("y" * 32, token), ("y" * 32, stale)]
        shown = [await outcome(provider, key_header(one), bearer(other)) for one, other in pairs]

    everything = f"{logged} {trail.events} {shown}"
    assert not [secret for secret in (key.text, token, stale, "y" * 32) if secret in everything]
    assert not [part for secret in (token, stale) for part in secret.split(".")[1:] if part in everything]


def test_the_provider_is_where_readers_look_for_it() -> None:
    assert auth.oauth.OAuthProvider is auth.providers.OAuthProvider is OAuthProvider


async def test_the_provider_alone_refuses_what_is_no_token(make: Make, token: str) -> None:
    provider = make(ClientHabits())._tokens

    assert isinstance(await provider.authenticate(request(bearer(token))), Principal)
    for headers in ([], [key_header(token)], [bearer("")]):
        with pytest.raises(NoCredentialError):
            await provider.authenticate(request(*headers))
    with pytest.raises(AuthenticationError, match="not a readable access token"):
        await provider.authenticate(request(bearer("tkt_live_x")))
