"""Grants: what an access token of this server stands for, with the current role of its owner.

A lookup by the id of the grant is cached for `cache_s` seconds. So a revoked grant, a removed identity, a disabled
user, a changed role or an ended membership takes effect everywhere within that time. A grant from a provider or for a
tenant that the settings do not name any more counts nowhere. While the store does not respond,
tokens of grants with a cached lookup keep working and all others are refused with 503; open streams survive for 5
minutes after the last response, as those of keys do. A stream outlives its token: it ends with the grant, the
membership or the role.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from auth.cache import CACHE_S, STREAM_OUTAGE_S, DerivedCache, SingleFlightCache
from auth.oauth.tokens import InvalidTokenError, TokenFault, VerifiedToken
from auth.store import IdentityStore
from auth.store.authorization.codes import GRANT_ID
from auth.store.authorization.records import LiveGrant, Served
from auth.store.errors import StoreUnavailableError
from shared.identity import OAUTH, SCOPES_OF, AuthenticationError, Principal, Scope, Tenant


class StoredGrants:
    """The owners of this server's own access tokens, backed by the identity store. Use inside `run()`.

    Args:
        store: an open store; its owner closes it after this has stopped.
        served: whose grants count.
        cache_s: how long a lookup is cached, in seconds.
        seconds: a monotonic clock.
    """

    def __init__(
        self,
        store: IdentityStore,
        served: Served,
        *,
        cache_s: float = CACHE_S,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._served = served
        self._grants = SingleFlightCache(store.grants.live, life_s=cache_s, seconds=seconds)
        self._principals: DerivedCache[tuple[str, frozenset[Scope]], LiveGrant, Principal | None] = DerivedCache()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Let lookups in flight finish before the store is closed."""
        try:
            yield
        finally:
            await self._grants.join()

    def knows(self, credential: str) -> bool:
        """Return whether a principal with that credential had a token of a grant."""
        return credential.startswith(GRANT_ID)

    async def principal_of(self, token: VerifiedToken) -> Principal:
        """Return the principal that `token` stands for: what both the token and the role of its owner permit.

        Raises:
            InvalidTokenError: (401) its grant was revoked, or its owner lost access; to sign in again shows which.
            AuthenticationError: (503) the identity store does not respond.
        """
        if token.grant is None:
            raise InvalidTokenError(TokenFault.CLAIMS)
        try:
            grant = await self._grants.get(token.grant)
        except StoreUnavailableError as error:
            raise AuthenticationError(str(error), status=503, retry_after_s=1) from error
        principal = None
        if grant is not None:
            make = partial(self._principal, grant, token.scopes)
            principal = self._principals.get((grant.id, token.scopes), grant, make)
        if principal is None:
            raise InvalidTokenError(TokenFault.GRANT)
        return principal

    async def is_still_valid(self, principal: Principal) -> bool:
        """Return whether a token of the same grant, with the same scopes, would stand for an equal principal now."""
        try:
            grant = await self._grants.get(principal.credential)
        except StoreUnavailableError:
            grant = self._grants.latest(principal.credential, within_s=STREAM_OUTAGE_S)
        return grant is not None and self._principal(grant, principal.scopes) == principal

    def _principal(self, grant: LiveGrant, scopes: frozenset[Scope]) -> Principal | None:
        """Return the principal with at most `scopes`; None if the grant or the membership has ended."""
        if not grant.is_on or grant.role is None or not self._served.has(grant):
            return None
        return Principal(
            id=grant.authorization.user,
            tenant=Tenant(grant.authorization.tenant),
            scopes=SCOPES_OF[grant.role] & grant.authorization.scopes & scopes,
            proof=OAUTH,
            credential=grant.id,
            role=grant.role,
            email=grant.email,
            ticket_user=grant.ticket_user,
        )
