"""From a verified access token to the user or service account of the identity store, with its current role.

The subject of a token is looked up, and what its owner may do in each tenant, both cached for `cache_s` seconds. So a
removed identity, a disabled owner, a changed role or an ended membership takes effect everywhere within that time.
A subject that is seen for the first time is linked by its verified e-mail address to the user who has it, if that is a
member of a tenant that the issuer serves.

While the store does not respond, subjects with a cached lookup keep working and all others are refused with 503. Open
streams survive for 5 minutes after the last response, as those of keys do. A stream also outlives its token: it ends
with the identity, the membership or the role.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

from auth import validation
from auth.cache import CACHE_S, STREAM_OUTAGE_S, DerivedCache, SingleFlightCache
from auth.oauth.errors import AdmissionFault, NotAdmittedError, tenant_not_chosen, unknown_subject
from auth.oauth.tokens import VerifiedToken
from auth.store import IdentityStore
from auth.store.errors import StoreUnavailableError
from auth.store.queries import IDENTITY_ID
from auth.store.records import StoredIdentity
from shared.identity import OAUTH, SCOPES_OF, AuthenticationError, Principal, Scope, Tenant


class Claimed(NamedTuple):
    """What a token says about its subject."""

    issuer: str
    subject: str
    email: str | None
    """A verified address that may link the subject."""


class StoredIdentities:
    """The owners of access tokens, backed by the identity store. Use inside `run()`.

    Args:
        store: an open store; its owner closes it after this has stopped.
        issuers: the tenants that each issuer serves; none for all of them.
        cache_s: how long a lookup is cached, in seconds.
        seconds: a monotonic clock.
    """

    def __init__(
        self,
        store: IdentityStore,
        issuers: Mapping[str, frozenset[str]],
        *,
        cache_s: float = CACHE_S,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._issuers = issuers
        self._ids = SingleFlightCache(self._id_of, life_s=cache_s, seconds=seconds)
        self._identities = SingleFlightCache(store.credentials.identity, life_s=cache_s, seconds=seconds)
        self._principals: DerivedCache[tuple[str, str, frozenset[Scope]], StoredIdentity, Principal] = DerivedCache()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Let lookups in flight finish before the store is closed."""
        try:
            yield
        finally:
            await self._ids.join()
            await self._identities.join()

    def knows(self, credential: str) -> bool:
        """Return whether a principal with that credential had a token of an identity."""
        return credential.startswith(IDENTITY_ID)

    async def principal_of(self, token: VerifiedToken) -> Principal:
        """Return the principal that `token` stands for: what both the token and the role of its owner permit.

        Raises:
            NotAdmittedError: (403) this server does not admit the subject; the text says what to do.
            AuthenticationError: (503) the identity store does not respond.
        """
        try:
            identity = await self._identity_of(token)
        except StoreUnavailableError as error:
            raise AuthenticationError(str(error), status=503, retry_after_s=1) from error
        if identity is None:
            raise unknown_subject(token)
        if not identity.is_on:
            raise NotAdmittedError(AdmissionFault.DISABLED, token, identity.id)
        if token.is_program and identity.email is not None:
            raise NotAdmittedError(AdmissionFault.PROGRAM, token, identity.id)
        tenant = self._tenant_of(token, identity)
        make = partial(self._principal, identity, tenant, token.scopes)
        return self._principals.get((identity.id, tenant, token.scopes), identity, make)

    async def is_still_valid(self, principal: Principal) -> bool:
        """Return whether a token of the same subject, with the same scopes, would stand for an equal principal now."""
        try:
            identity = await self._identities.get(principal.credential)
        except StoreUnavailableError:
            identity = self._identities.latest(principal.credential, within_s=STREAM_OUTAGE_S)
        if identity is None or not identity.is_on or principal.tenant.id not in self._tenants_of(identity):
            return False
        return self._principal(identity, principal.tenant.id, principal.scopes) == principal

    async def _identity_of(self, token: VerifiedToken) -> StoredIdentity | None:
        # Only an ASCII address can link: others have look-alikes that are equal once case is folded.
        can_link = not token.is_program and token.email is not None and token.email.isascii()
        claimed = Claimed(token.issuer, token.subject, token.email if can_link else None)
        identity_id = await self._ids.get(claimed)
        return None if identity_id is None else await self._identities.get(identity_id)

    async def _id_of(self, claimed: Claimed) -> str | None:
        if not validation.is_subject(claimed.subject):
            return None
        identity_id = await self._store.credentials.identity_id(claimed.issuer, claimed.subject)
        if identity_id is not None or claimed.email is None:
            return identity_id
        tenants = self._issuers[claimed.issuer]
        return await self._store.identities.link(
            issuer=claimed.issuer, subject=claimed.subject, email=claimed.email, tenants=tenants
        )

    def _tenants_of(self, identity: StoredIdentity) -> list[str]:
        """Return the tenants of the owner that the issuer serves."""
        served = self._issuers[identity.issuer]
        return sorted(tenant for tenant in identity.memberships if not served or tenant in served)

    def _tenant_of(self, token: VerifiedToken, identity: StoredIdentity) -> str:
        """Return the tenant that the token names, or the only one there is if it names none.

        The claim is never ignored: a token for one tenant must not open another when its owner has left the first.
        """
        tenants = self._tenants_of(identity)
        if not tenants:
            raise NotAdmittedError(AdmissionFault.NO_TENANT, token, identity.id)
        if token.tenant in tenants:
            return token.tenant
        if token.tenant is None and len(tenants) == 1:
            return tenants[0]
        raise tenant_not_chosen(token, identity.id, tenants)

    def _principal(self, identity: StoredIdentity, tenant: str, scopes: frozenset[Scope]) -> Principal:
        member = identity.memberships[tenant]
        return Principal(
            id=identity.owner,
            tenant=Tenant(tenant),
            scopes=SCOPES_OF[member.role] & scopes,
            proof=OAUTH,
            credential=identity.id,
            role=member.role,
            email=identity.email,
            ticket_user=member.ticket_user,
        )
