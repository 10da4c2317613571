"""OAuthProvider: access tokens stand for people and programs.

The server as an OAuth resource server: it verifies tokens of an organisation's own OpenID provider, or those of its own
authorization server. Who a token stands for is decided by its issuer alone, whose keys signed it: no claim can make it
one of another issuer. A token is accepted in the header `Authorization: Bearer` alone, never in the query, and only if
it was issued for the resource of the request's path.
Sources: MCP authorization (2026-07-28); RFC 6750, 8707, 9068.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final, Protocol

from starlette.requests import HTTPConnection

from auth.oauth.resources import ProtectedResources
from auth.oauth.tokens import VerifiedToken
from auth.oauth.verification import TokenVerifier
from auth.presented import NoCredentialError, presented
from shared.identity import AuthProvider, Principal

NOT_SIGNED_IN: Final = "Sign in: send an access token as Authorization: Bearer."


class TokenOwners(Protocol):
    """Knows the owners of an issuer's tokens: `StoredIdentities` of other issuers, `StoredGrants` of this server."""

    def run(self) -> AbstractAsyncContextManager[None]:
        """Let lookups in flight finish when left."""
        ...

    def knows(self, credential: str) -> bool:
        """Return whether a principal with that credential came from here."""
        ...

    async def principal_of(self, token: VerifiedToken) -> Principal:
        """Return the principal that `token` stands for. Raises: AuthenticationError."""
        ...

    async def is_still_valid(self, principal: Principal) -> bool:
        """Return whether a token like that of `principal` would stand for an equal one now."""
        ...


class OAuthProvider(AuthProvider):
    """Authenticates holders of access tokens. Use inside `run()`.

    Args:
        verifier: checks tokens; closed at the end.
        owners: who finds the owner of a token, by its issuer.
        resources: which tokens are for which path.
    """

    def __init__(
        self, verifier: TokenVerifier, owners: Mapping[str, TokenOwners], resources: ProtectedResources
    ) -> None:
        self._verifier = verifier
        self._owners = owners
        self._resources = resources

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """End lookups and fetches in flight when left."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._verifier.aclose)
            for owners in set(self._owners.values()):
                await stack.enter_async_context(owners.run())
            yield

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return the principal that the token of `request` stands for.

        Raises:
            InvalidTokenError: (401) the token is not valid, or not for the resource of the path.
            NotAdmittedError: (403) it is valid, but this server does not admit its subject.
            AuthenticationError: (401) there is no token; (400) contradicting credentials; (503) it cannot be checked
                at the moment.
        """
        token = presented(request).bearer
        if not token:
            raise NoCredentialError(NOT_SIGNED_IN)
        return await self.owner_of(token, request.scope["path"])

    async def owner_of(self, token: str, path: str) -> Principal:
        """Return the principal that a token stands for at `path`. Raises: AuthenticationError: as `authenticate`."""
        verified = await self._verifier.verify(token)
        verified.check_audience(self._resources.audiences_of(path))
        return await self._owners[verified.issuer].principal_of(verified)

    async def is_still_valid(self, principal: Principal) -> bool:
        """Return whether what `principal` had a token of would give it an equal one now, with or without a token."""
        for owners in self._owners.values():
            if owners.knows(principal.credential):
                return await owners.is_still_valid(principal)
        return False
