"""From a token of this server to its owner, by its grant: who they are now, and within which scopes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Final

import pytest
from starlette.requests import HTTPConnection

from auth.authorization_server.tokens import key_ring
from auth.oauth.identities import StoredIdentities
from auth.oauth.key_set import IssuerKeys
from auth.oauth.provider import OAuthProvider
from auth.oauth.resources import ProtectedResources
from auth.oauth.tokens import InvalidTokenError, TokenFault, VerifiedToken
from auth.oauth.verification import TokenVerifier
from auth.store import IdentityStore
from auth.store.authorization.records import Served
from auth.stored_grants import StoredGrants
from shared.identity import OAUTH, AuthenticationError, Principal, Role, Scope, Tenant
from shared.storage.database import DatabaseBusyError
from tests.auth.authorization_server.tokens.installation import (
    BASE,
    BOTH,
    MARY,
    SERVED,
    Installation,
    add_mary,
    installed,
)
from tests.auth.conftest import Clock
from tests.auth.oauth.signing import Documents, Signer

ELSEWHERE: Final = "https://login.acme.example"


class Signed:
    """A server that accepts its own tokens and those of another issuer, which knows Mary by the same subject."""

    def __init__(self, desktop: Installation, clock: Clock) -> None:
        store = desktop.store
        self.other = Signer(ELSEWHERE)
        self.ours = Signer(BASE)
        """Issues tokens that say they are ours, with another key."""
        self.grants = StoredGrants(store, SERVED, seconds=clock.seconds)
        verifier = TokenVerifier(
            {BASE: desktop.tokens, ELSEWHERE: IssuerKeys(ELSEWHERE, Documents(self.other), seconds=clock.seconds)},
            clock=lambda: clock().timestamp(),
        )
        identities = StoredIdentities(store, {ELSEWHERE: frozenset()}, seconds=clock.seconds)
        self.provider = OAuthProvider(verifier, {BASE: self.grants, ELSEWHERE: identities}, ProtectedResources(BASE))

    async def owner_of(self, token: str, path: str = "/mcp") -> Principal:
        headers = [(b"authorization", f"Bearer {token}".encode())]
        return await self.provider.authenticate(HTTPConnection({"type": "http", "path": path, "headers": headers}))

    async def fault_of(self, token: str, path: str = "/mcp") -> TokenFault:
        with pytest.raises(InvalidTokenError) as refused:
            await self.owner_of(token, path)
        assert refused.value.status == 401
        return refused.value.reason


@pytest.fixture
async def desktop(sqlite_store: IdentityStore) -> AsyncIterator[Installation]:
    async with installed(sqlite_store, await add_mary(sqlite_store)) as installation:
        yield installation


@pytest.fixture
async def signed(desktop: Installation, clock: Clock) -> AsyncIterator[Signed]:
    signed = Signed(desktop, clock)
    async with signed.provider.run():
        yield signed


async def test_a_token_stands_for_its_owner_in_the_organisation_of_its_grant(
    desktop: Installation, signed: Signed
) -> None:
    token = (await desktop.sign_in())["access_token"]
    [grant] = await desktop.store.grants.all()

    principal = await signed.owner_of(token)

    assert principal == Principal(
        id=desktop.allowed.user,
        tenant=Tenant("acme"),
        scopes=BOTH,
        proof=OAUTH,
        credential=grant.id,
        role=Role.AGENT,
        email=MARY,
        ticket_user="user1",
    )
    assert await signed.provider.is_still_valid(principal)
    assert await signed.fault_of(token, "/sse") is TokenFault.AUDIENCE


async def test_no_issuer_can_claim_a_token_of_another(
    desktop: Installation, signed: Signed, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_ring, "LOOKUP_S", 0.0)
    ours = (await desktop.sign_in())["access_token"]
    [grant] = await desktop.store.grants.all()
    now, claims = clock().timestamp(), await desktop.claims(ours)
    stolen = {name: claims[name] for name in ("grant", "tenant", "sub", "client_id")}
    await desktop.store.identities.add(issuer=ELSEWHERE, subject="theirs", user=MARY)

    theirs = await signed.owner_of(signed.other.token("theirs", now, aud=BASE, grant=grant.id))
    assert theirs.credential != grant.id
    assert await signed.provider.is_still_valid(theirs)
    assert await signed.fault_of(signed.other.token("x", now, aud=BASE, **{**stolen, "iss": BASE})) is (
        TokenFault.SIGNATURE
    )
    assert await signed.fault_of(signed.ours.token("x", now, aud=BASE, **stolen)) is TokenFault.SIGNATURE
    for about, reason in (("grt_0123456789abcdef", TokenFault.GRANT), (None, TokenFault.CLAIMS)):
        with pytest.raises(InvalidTokenError) as refused:
            await signed.grants.principal_of(replace(VERIFIED, grant=about))
        assert refused.value.reason is reason


async def test_what_the_provider_does_not_serve_any_more_counts_nowhere(desktop: Installation, signed: Signed) -> None:
    principal = await signed.owner_of((await desktop.sign_in())["access_token"])
    verified = replace(VERIFIED, grant=principal.credential)
    elsewhere = Served(issuer=ELSEWHERE)
    for served in (elsewhere, replace(SERVED, tenants=frozenset({"globex"}))):
        grants = StoredGrants(desktop.store, served)
        with pytest.raises(InvalidTokenError):
            await grants.principal_of(verified)
        assert not await grants.is_still_valid(principal)


VERIFIED: Final = VerifiedToken(
    issuer=BASE,
    subject="usr_1",
    client_id=None,
    scopes=BOTH,
    audiences=frozenset({BASE}),
    email=None,
    tenant="acme",
    expires_at=0,
    is_program=False,
)


Change = Callable[[IdentityStore, str], Awaitable[object]]
ENDS: Final[dict[str, Change]] = {
    "revoked": lambda store, _: store.grants.revoke_all(user=MARY, because="operator"),
    "no member": lambda store, _: store.memberships.remove(MARY, "acme"),
    "disabled": lambda store, _: store.users.disable(MARY),
    "organisation disabled": lambda store, _: store.tenants.disable("acme"),
    "identity removed": lambda store, identity: store.identities.remove(identity),
}


async def test_who_lost_access_is_refused_within_thirty_seconds(desktop: Installation, clock: Clock) -> None:
    store = desktop.store
    for name, change in ENDS.items():
        token = (await desktop.sign_in())["access_token"]
        signed = Signed(desktop, clock)
        principal = await signed.owner_of(token)

        await change(store, desktop.allowed.identity)
        clock.go_on(seconds=29.9)
        assert await signed.provider.is_still_valid(principal), name
        clock.go_on(seconds=0.1)

        assert await signed.fault_of(token) is TokenFault.GRANT, name
        assert not await signed.provider.is_still_valid(principal), name
        await put_back(store, desktop)


async def put_back(store: IdentityStore, desktop: Installation) -> None:
    await store.tenants.enable("acme")
    await store.users.enable(MARY)
    await store.memberships.set(MARY, "acme", role="agent", ticket_user="user1")
    identity = await store.identities.add(
        issuer=SERVED.issuer, subject=f"again {len(await store.identities.all())}", user=MARY
    )
    desktop.allowed = replace(desktop.allowed, identity=identity.id)


async def test_whatever_changes_about_a_member_counts_for_the_next_request_and_ends_streams(
    desktop: Installation, signed: Signed, clock: Clock
) -> None:
    token = (await desktop.sign_in())["access_token"]
    before = await signed.owner_of(token)

    await desktop.store.memberships.set(MARY, "acme", role="viewer")
    clock.go_on(seconds=30)

    assert not await signed.provider.is_still_valid(before)
    after = await signed.owner_of(token)
    assert (after.role, after.scopes) == (Role.VIEWER, frozenset({Scope.TICKETS_READ}))
    assert await signed.provider.is_still_valid(after)


async def test_without_the_store_known_grants_go_on_for_thirty_seconds_and_streams_for_five_minutes(
    desktop: Installation, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = (await desktop.sign_in())["access_token"]
    ask, asked = desktop.store.grants.live, list[str]()
    is_away = asyncio.Event()

    async def live(grant: str) -> object:
        asked.append(grant)
        if is_away.is_set():
            raise DatabaseBusyError
        return await ask(grant)

    monkeypatch.setattr(desktop.store.grants, "live", live)
    signed = Signed(desktop, clock)
    principals = await asyncio.gather(*(signed.owner_of(token) for _ in range(20)))
    assert len(set(principals)) == len(asked) == 1
    is_away.set()
    clock.go_on(seconds=29.9)
    assert await signed.owner_of(token) == principals[0]
    clock.go_on(seconds=0.1)

    with pytest.raises(AuthenticationError, match="identity store is not answering") as refused:
        await signed.owner_of(token)
    assert (refused.value.status, refused.value.retry_after_s) == (503, 1)
    clock.go_on(seconds=269)
    assert await signed.provider.is_still_valid(principals[0])
    clock.go_on(seconds=1)
    assert not await signed.provider.is_still_valid(principals[0])
