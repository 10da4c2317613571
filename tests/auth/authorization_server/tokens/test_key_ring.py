"""An instance knows the keys: a token of any key in use is accepted, however many ask and wherever it was rotated."""

import asyncio
from collections.abc import Sequence
from typing import Final

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from auth.authorization_server.tokens import AccessTokens, ConfiguredKeys, KeyRing, key_ring
from auth.oauth.tokens import InvalidTokenError, TokenFault
from auth.oauth.verification import TokenVerifier
from auth.store import IdentityStore
from auth.store.authorization.records import Authorization, LiveGrant
from auth.store.authorization.signing_keys import SigningKey, new_key
from auth.store.errors import StoreUnavailableError
from shared.identity import AuthenticationError, Role
from shared.storage.database import DatabaseBusyError
from tests.auth.authorization_server.tokens.installation import BASE, BOTH, DESKTOP, MCP, REDIRECT
from tests.auth.conftest import Clock
from tests.auth.oauth.issuer import EC, token

GRANT: Final = LiveGrant(
    id="grt_0123456789abcdef",
    authorization=Authorization(
        user="usr_1",
        identity="idn_1",
        tenant="acme",
        client_id=DESKTOP,
        redirect_uri=REDIRECT,
        resource=MCP,
        scopes=BOTH,
    ),
    issuer="https://accounts.google.com",
    email="mary@acme.example",
    role=Role.AGENT,
    ticket_user=None,
    is_on=True,
)

FORGED: Final = token(EC, "ES256", iss=BASE, iat=1, exp=2_000_000_000)


class Keys:
    """Keys of a store that counts lookups, and answers or not."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys: Sequence[SigningKey] = keys
        self.asked = 0
        self.are_asked = asyncio.Event()
        self.is_away = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def usable(self) -> Sequence[SigningKey]:
        self.asked += 1
        self.are_asked.set()
        keys = self.keys
        await self.answers.wait()
        if self.is_away:
            raise DatabaseBusyError
        return keys


class Instance:
    """One instance with a clock of its own."""

    def __init__(self, keys: key_ring.KeyStore, clock: Clock) -> None:
        self.tokens = AccessTokens(BASE, KeyRing(keys, clock=clock, seconds=clock.seconds), clock=clock)
        self.verifier = TokenVerifier({BASE: self.tokens}, clock=lambda: clock().timestamp())

    async def sign(self) -> str:
        return await self.tokens.sign(GRANT, scopes=BOTH, resource=MCP)

    async def accepts(self, text: str) -> bool:
        """Return whether the signature of a token is accepted."""
        try:
            await self.verifier.verify(text)
        except InvalidTokenError as error:
            if error.reason is not TokenFault.SIGNATURE:
                raise
            return False
        return True


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait between lookups; the tests that count them set it themselves."""
    monkeypatch.setattr(key_ring, "LOOKUP_S", 0.0)


async def test_a_rotation_refuses_no_valid_token(sqlite_store: IdentityStore, clock: Clock) -> None:
    """Neither on an instance that has not noticed it, nor tokens that such an instance goes on signing."""
    first, second = (Instance(sqlite_store.signing_keys, clock) for _ in range(2))
    before = await first.sign()
    assert await second.accepts(before)

    await sqlite_store.signing_keys.rotate()
    clock.go_on(seconds=key_ring.FRESH_S - 1)
    late = await second.sign()
    third = Instance(sqlite_store.signing_keys, clock)
    new = await third.sign()

    assert header_of(late) == header_of(before) != header_of(new)
    for instance in (first, second, third):
        assert [await instance.accepts(each) for each in (before, late, new)] == [True] * 3
    clock.go_on(seconds=2)
    assert header_of(await second.sign()) == header_of(new)
    clock.go_on(seconds=840)
    assert await third.accepts(late)
    assert [key["kid"] for key in (await third.tokens.jwks())["keys"]] == [header_of(new), header_of(late)]


def header_of(text: str) -> str:
    kid: str = jws.extract_compact(text.encode()).headers()["kid"]
    return kid


async def test_a_flood_of_unknown_keys_is_one_lookup_and_delays_no_known_one(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys(SigningKey(new_key()))
    instance = Instance(keys, clock)
    known = await instance.sign()
    monkeypatch.setattr(key_ring, "LOOKUP_S", 0.05)

    forged = [token(EC, "ES256", header={"kid": f"k{n}"}, iss=BASE, iat=1, exp=2_000_000_000) for n in range(50)]
    flood = asyncio.gather(*(instance.accepts(each) for each in forged))
    await asyncio.sleep(0)
    assert await instance.accepts(known)
    assert keys.asked == 1
    assert set(await flood) == {False}
    assert keys.asked == 2


async def test_a_token_of_a_key_made_during_a_flood_is_accepted(clock: Clock) -> None:
    keys = Keys(SigningKey(new_key()))
    instance = Instance(keys, clock)
    await instance.sign()
    keys.are_asked.clear()
    flood = asyncio.create_task(instance.accepts(FORGED))
    await keys.are_asked.wait()  # the lookup for the forged token has begun
    keys.keys = [SigningKey(new_key()), SigningKey(keys.keys[0].key, clock.now)]

    assert await instance.accepts(await Instance(keys, clock).sign())
    assert not await flood


async def test_a_lookup_begins_only_after_the_one_before_has_ended(clock: Clock) -> None:
    keys = Keys(SigningKey(new_key()))
    instance = Instance(keys, clock)
    await instance.sign()
    keys.answers.clear()
    keys.are_asked.clear()
    first = asyncio.create_task(instance.accepts(FORGED))
    await keys.are_asked.wait()
    second = asyncio.create_task(instance.accepts(FORGED))
    for _ in range(10):
        await asyncio.sleep(0)

    assert keys.asked == 2
    keys.answers.set()
    assert [await first, await second] == [False, False]
    assert keys.asked == 3


async def test_without_the_store_a_superseded_key_is_not_used_for_longer_than_its_tokens_verify(clock: Clock) -> None:
    keys = Keys(SigningKey(new_key(), clock.now))
    instance = Instance(keys, clock)
    clock.go_on(minutes=29)
    text = await instance.sign()
    keys.is_away = True
    clock.go_on(minutes=1)

    with pytest.raises(StoreUnavailableError):
        await instance.sign()
    clock.go_on(minutes=13)
    assert await instance.accepts(text)


async def test_known_keys_go_on_while_the_store_does_not_answer(clock: Clock) -> None:
    keys = Keys(SigningKey(new_key()))
    instance, newcomer = Instance(keys, clock), Instance(keys, clock)
    text = await instance.sign()
    keys.is_away = True
    clock.go_on(seconds=key_ring.FRESH_S + 1)

    assert await instance.accepts(text)
    assert await instance.accepts(await instance.sign())
    with pytest.raises(StoreUnavailableError):
        await newcomer.sign()
    with pytest.raises(StoreUnavailableError):
        await newcomer.tokens.jwks()
    for unsure, sent in ((newcomer, text), (instance, FORGED)):
        with pytest.raises(AuthenticationError) as refused:
            await unsure.verifier.verify(sent)
        assert (refused.value.status, refused.value.retry_after_s) == (503, 1)


async def test_configured_keys_all_verify_and_the_first_signs(clock: Clock) -> None:
    pems = [ECKey.generate_key("P-256").as_pem(private=True).decode() for _ in range(2)]
    before, after = Instance(ConfiguredKeys(pems[1:]), clock), Instance(ConfiguredKeys(pems), clock)

    old, new = await before.sign(), await after.sign()

    assert header_of(old) != header_of(new)
    assert [await after.accepts(text) for text in (old, new)] == [True, True]
    assert not await before.accepts(new)
    published = (await after.tokens.jwks())["keys"]
    assert [set(key) for key in published] == [{"kty", "crv", "x", "y", "kid", "use", "alg"}] * 2


async def test_at_the_end_a_lookup_to_come_is_not_waited_for(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(SigningKey(new_key()))
    instance = Instance(keys, clock)
    async with instance.tokens.run():
        monkeypatch.setattr(key_ring, "LOOKUP_S", 3600.0)
        waiting = asyncio.create_task(instance.accepts(FORGED))
        for _ in range(10):
            await asyncio.sleep(0)  # it would begin now, if it were not too early
    with pytest.raises(AuthenticationError):
        await waiting
    assert keys.asked == 1
